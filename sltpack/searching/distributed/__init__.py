"""Several processes at one search."""
