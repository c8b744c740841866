"""Data sets by name: CIFAR-10 and CIFAR-100, the digits that come with sltpack, any folder of pictures, and graphs."""

from __future__ import annotations

from .sources import GRAPHS, NAMES, fixed_classes, is_graph, load

__all__ = ["GRAPHS", "NAMES", "fixed_classes", "is_graph", "load"]
