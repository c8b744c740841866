"""The search for a ticket: edge-popup, its settings, its loop."""

from .images import search_images
from .loop import BEST, LAST, METRICS, Interrupted, search
from .settings import Settings

__all__ = ["BEST", "LAST", "METRICS", "Interrupted", "Settings", "search", "search_images"]
