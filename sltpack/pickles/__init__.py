"""Pickles from strangers, read by a machine of our own that imports and calls nothing that they name."""
