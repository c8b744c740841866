"""What a run keeps: a search's scores, with the ticket in them, or weights that were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..format import records as headers
from ..format.records import Source
from ..source.network import kept_by_layer
from ..tickets.buffers import store
from ..tickets.ticket import Ticket
from . import torch_files
from .facts import Facts, data_name, facts_of_run
from .selection import select

FORMAT = "sltpack checkpoint"
VERSION = 3
"""1 had neither `by_layer` nor trained weights; 1 and 2 had the momentum of stochastic gradient descent alone."""
VERSIONS = (1, 2, 3)
"""Those that can be read."""
ACCURACIES = ("validation_accuracy", "test_accuracy")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a search.

    Attributes:
        source: the source network and its freezing.
        kept: how many searched weights the supermask keeps.
        scores: of the searched positions of all layers, one layer behind the other, float32.
        threshold: the size of the smallest score that is kept.
        buffers: the model's buffers, as BatchNorm's statistics, float32.
        settings: of the search, plain values by name.
        metrics: what was measured, plain values by name.
        memory: the optimizer's, by its own names, each like the scores; only in a checkpoint to go on from.
        by_layer: whether each layer has its own threshold; `threshold` is then the smallest of them.
    """

    source: Source
    kept: int
    scores: torch.Tensor
    threshold: float
    buffers: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    memory: Mapping[str, torch.Tensor] = field(default_factory=dict)
    by_layer: bool = False

    def save(self, path: Path) -> None:
        """Writes the checkpoint atomically, in place of an older one.

        Raises:
            OutputError: the file cannot be written.
        """
        own = {"kept": self.kept, "scores": self.scores.cpu(), "threshold": self.threshold, "by_layer": self.by_layer}
        torch_files.write(path, {**_shared_values(self), **own})

    def layer_masks(self) -> list[torch.Tensor]:
        """Selects the supermask of the scores.

        Returns:
            For each layer, bool [searched positions], in ascending order.
        """
        parts = torch.split(self.scores, [layer.searched for layer in self.source.layers])
        if self.by_layer:
            counts = kept_by_layer(self.source, self.kept)
            return [select(part, count)[0] for part, count in zip(parts, counts, strict=True)]
        return list(torch.split(select(self.scores, self.kept)[0], [len(part) for part in parts]))

    def ticket(self, buffers: str = "f32") -> Ticket:
        """Make the ticket.

        Args:
            buffers: how they are written: "f32", "f16", or "q8" for 8 bits of each mean and variance.

        Returns:
            The ticket, with what is known of the search in its free text.

        Raises:
            SltpackError: a buffer does not fit float16.
        """
        taken = {name for layer in self.source.layers for name in layer.parameters}
        stored = store({name: buffer.cpu().numpy() for name, buffer in self.buffers.items()}, buffers, taken)
        masks = [mask.cpu().numpy() for mask in self.layer_masks()]
        facts = self.facts()
        return Ticket.create(
            self.source,
            masks,
            stored,
            self.about(),
            input=facts.input,
            classes=facts.classes,
            results=facts.results,
            outputs=facts.outputs,
        )

    def about(self) -> dict[str, str]:
        """Tells what is known of the search, as free text for a ticket."""
        return _about(self)

    def facts(self) -> Facts:
        """Return what is known of the network beside its weights."""
        return facts_of_run(self.settings, self.metrics)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The state of weight training: what a ticket is measured against. No seed gives such weights again.

    Attributes:
        source: the source network that training began with, nothing in it frozen.
        weights: of all layers, one behind the other, each in C order, float32 [N].
        buffers: the model's buffers, as BatchNorm's statistics, float32.
        settings: of the training, plain values by name.
        metrics: what was measured, plain values by name.
        memory: the optimizer's, by its own names, each like the weights; only in a checkpoint to go on from.
    """

    source: Source
    weights: torch.Tensor
    buffers: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    memory: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes the network atomically, in place of an older one.

        Raises:
            OutputError: the file cannot be written.
        """
        torch_files.write(path, {**_shared_values(self), "weights": self.weights.cpu()})

    def state(self) -> dict[str, torch.Tensor]:
        """Gives weights and buffers by their names in the model's state dict."""
        parts = torch.split(self.weights, [layer.size for layer in self.source.layers])
        layers = zip(self.source.layers, parts, strict=True)
        return {**{layer.parameter: part.view(layer.shape) for layer, part in layers}, **self.buffers}

    def about(self) -> dict[str, str]:
        """Tells what is known of the training, as a ticket's free text does of its search."""
        return _about(self)

    def facts(self) -> Facts:
        """Return what is known of the network beside its weights."""
        return facts_of_run(self.settings, self.metrics)


Kept = Checkpoint | TrainedNetwork
"""What a run writes into its folder."""


def _shared_values(kept: Kept) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        **headers.source_parts(kept.source),
        "buffers": {name: buffer.cpu() for name, buffer in kept.buffers.items()},
        "settings": dict(kept.settings),
        "metrics": dict(kept.metrics),
        "memory": {name: values.cpu() for name, values in kept.memory.items()},
    }


def _about(kept: Kept) -> dict[str, str]:
    """Return what no other entry of a ticket says."""
    settings = kept.settings
    about = {"data": data_name(settings)} if settings.get("data") is not None else {}
    if settings.get("epochs") is not None:  # that of the ticket, of all that were planned
        about["epochs"] = f"{kept.metrics.get('epoch', 0)} of {settings['epochs']}"
    if settings.get("date") is not None:
        about["date"] = str(settings["date"])
    about["sltpack"] = str(settings.get("sltpack", "unknown"))
    return about
