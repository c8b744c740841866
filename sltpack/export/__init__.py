"""A ticket in other formats."""

from .weights import FORMATS, write_weights

__all__ = ["FORMATS", "write_weights"]
