"""Data sets that are one graph."""
