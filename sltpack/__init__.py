"""Strong lottery tickets in a file: a seed, and one bit for each weight that was searched.

    import sltpack

    ticket = sltpack.load("model.slt")               # or a ticket of the package: "conv6-cifar10"
    model = sltpack.build(ticket)                    # a plain torch module
    scores = model(ticket.preprocess(images))        # of torch's uint8 [n, height, width, channels]
    weights = ticket.weights("conv1")                # one layer, without torch
    sltpack.save(ticket, "copy.slt")

    found = sltpack.search(module, (images, labels)) # a module and tensors, or their names
    ticket = found.ticket()

Names are imported when they are first used, so that what needs neither torch nor numpy starts neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bundled import list_tickets
    from .checkpoints.records import Checkpoint, TrainedNetwork
    from .errors import SltpackError
    from .format.accounting import Account, account
    from .inference.evaluation import evaluate
    from .inference.network import build
    from .models import list_models
    from .searching.calls import list_presets, search, train
    from .tickets.storage import load, save
    from .tickets.ticket import Ticket

__version__ = "0.1.0"
__all__ = [
    "Account",
    "Checkpoint",
    "SltpackError",
    "Ticket",
    "TrainedNetwork",
    "account",
    "build",
    "evaluate",
    "list_models",
    "list_presets",
    "list_tickets",
    "load",
    "save",
    "search",
    "train",
]

_HOMES = {
    "Account": "format.accounting",
    "Checkpoint": "checkpoints.records",
    "SltpackError": "errors",
    "Ticket": "tickets.ticket",
    "TrainedNetwork": "checkpoints.records",
    "account": "format.accounting",
    "build": "inference.network",
    "evaluate": "inference.evaluation",
    "list_models": "models",
    "list_presets": "searching.calls",
    "list_tickets": "bundled",
    "load": "tickets.storage",
    "save": "tickets.storage",
    "search": "searching.calls",
    "train": "searching.calls",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
