"""The search for a ticket, and weight training beside it: edge-popup, its settings, the loop."""

from .folder import BEST, LAST, METRICS
from .loop import search, train
from .named import search_on, train_on
from .run import Interrupted
from .settings import Settings, TrainingSettings

__all__ = [
    "BEST",
    "LAST",
    "METRICS",
    "Interrupted",
    "Settings",
    "TrainingSettings",
    "search",
    "search_on",
    "train",
    "train_on",
]
