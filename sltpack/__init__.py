"""Strong lottery tickets in a file: a seed, and one bit for each weight that was searched.

    import sltpack

    ticket = sltpack.load("model.slt")       # or a ticket of the package: "conv6-cifar10"
    model = ticket.build()                   # a plain torch module
    scores = model(ticket.preprocess(images))  # of torch's uint8 [n, height, width, channels]
    weights = ticket.weights(3)              # one layer, without torch
    sltpack.save(ticket, "copy.slt")

Names are imported when they are first used, so that what needs neither torch nor numpy starts neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoints.records import Checkpoint, TrainedNetwork
    from .errors import SltpackError
    from .format.accounting import Account, account
    from .searching.request import search_on, train_on
    from .searching.settings import Settings, TrainingSettings
    from .tickets.storage import load, save
    from .tickets.ticket import Ticket

__version__ = "0.1.0"
__all__ = [
    "Account",
    "Checkpoint",
    "Settings",
    "SltpackError",
    "Ticket",
    "TrainedNetwork",
    "TrainingSettings",
    "account",
    "load",
    "save",
    "search_on",
    "train_on",
]

_HOMES = {
    "Account": "format.accounting",
    "Checkpoint": "checkpoints.records",
    "Settings": "searching.settings",
    "SltpackError": "errors",
    "Ticket": "tickets.ticket",
    "TrainedNetwork": "checkpoints.records",
    "TrainingSettings": "searching.settings",
    "account": "format.accounting",
    "load": "tickets.storage",
    "save": "tickets.storage",
    "search_on": "searching.request",
    "train_on": "searching.request",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
