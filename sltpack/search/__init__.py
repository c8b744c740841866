"""The search for a ticket, and weight training beside it: edge-popup, its settings, the loop."""

from .folder import BEST, LAST, METRICS
from .images import search_images, train_images
from .loop import Interrupted, search, train
from .settings import Settings, TrainingSettings

__all__ = [
    "BEST",
    "LAST",
    "METRICS",
    "Interrupted",
    "Settings",
    "TrainingSettings",
    "search",
    "search_images",
    "train",
    "train_images",
]
