"""The search for a ticket: edge-popup, its settings, its loop."""

from .folder import BEST, LAST, METRICS
from .images import search_images
from .loop import Interrupted, search
from .settings import Settings

__all__ = ["BEST", "LAST", "METRICS", "Interrupted", "Settings", "search", "search_images"]
