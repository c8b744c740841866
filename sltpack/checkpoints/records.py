"""What a run keeps: a search's scores, with the ticket in them, or weights that were trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ..errors import FormatError
from ..format import records as headers
from ..format.records import Source
from ..tickets.buffers import store
from ..tickets.ticket import Ticket
from . import torch_files
from .facts import Facts, data_name, facts_of_run

FORMAT = "sltpack checkpoint"
VERSION = 4
"""3 had no planes: of a search it had `kept` and `by_layer`, by which the supermask follows from the scores."""
VERSIONS = (3, 4)
"""Those that can be read."""
ACCURACIES = ("validation_accuracy", "test_accuracy")


@dataclass(frozen=True, eq=False, repr=False)
class Kept(ABC):
    """What a run keeps: the state of a search or of weight training.

    Attributes:
        source: the source network and its freezing.
        parameters: what the method moves, float32: of a search the scores of the searched positions of all layers, of
            a training the weights of all layers in C order, one layer behind the other.
        planes: what was searched, by the names of the file format: "kept", bool [searched]; of a training, nothing.
        buffers: the model's buffers, as BatchNorm's statistics, float32.
        settings: of the run, plain values by name.
        metrics: what was measured, plain values by name.
        memory: the optimizer's, by its own names, each like the parameters; only in a checkpoint to go on from.
    """

    source: Source
    parameters: torch.Tensor
    planes: Mapping[str, torch.Tensor]
    buffers: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    memory: Mapping[str, torch.Tensor] = field(default_factory=dict)

    holds: ClassVar[str]
    """What the parameters are called in a file, and by the method that moves them."""
    kind: ClassVar[str]
    """What it is of, in words."""
    searches: ClassVar[bool]
    """Whether a ticket was searched."""

    def __repr__(self) -> str:
        reached = self.metrics.get("validation_accuracy")
        measured = "nothing measured yet" if reached is None else f"validation accuracy {reached:.4f}"
        return f"<{type(self).__name__} {self.source.model.name}: {self.sizes().searched:,} {self.holds}, {measured}>"

    def save(self, path: Path) -> None:
        """Write it atomically, in place of an older one.

        Raises:
            OutputError: the file cannot be written.
        """
        values = {
            "format": FORMAT,
            "version": VERSION,
            **headers.source_parts(self.source),
            self.holds: self.parameters.cpu(),
            "bits": {name: _packed(bits) for name, bits in self.planes.items()},
            "buffers": {name: buffer.cpu() for name, buffer in self.buffers.items()},
            "settings": dict(self.settings),
            "metrics": dict(self.metrics),
            "memory": {name: values.cpu() for name, values in self.memory.items()},
        }
        torch_files.write(path, values)

    def about(self) -> dict[str, str]:
        """Return what no other entry of a ticket says, as its free text."""
        settings = self.settings
        about = {"data": data_name(settings)} if settings.get("data") is not None else {}
        if settings.get("epochs") is not None:  # that of the ticket, of all that were planned
            about["epochs"] = f"{self.metrics.get('epoch', 0)} of {settings['epochs']}"
        if settings.get("date") is not None:
            about["date"] = str(settings["date"])
        about["sltpack"] = str(settings.get("sltpack", "unknown"))
        return about

    @abstractmethod
    def state(self) -> dict[str, torch.Tensor]:
        """Return weights and buffers by their names in the model's state dict, float32."""

    @abstractmethod
    def sizes(self) -> Sizes:
        """Return how much was searched and kept."""

    def facts(self) -> Facts:
        """Return what is known of the network beside its weights."""
        return facts_of_run(self.settings, self.metrics)

    @abstractmethod
    def ticket(self, buffers: str = "f32", where: object = "checkpoint") -> Ticket:
        """Make the ticket.

        Args:
            buffers: how they are written: "f32", "f16", or "q8" for 8 bits of each mean and variance.
            where: what to name in an error.

        Returns:
            The ticket, with what is known of the search in its free text.

        Raises:
            SltpackError: a buffer does not fit float16.
            FormatError: there is no ticket in it, since weights were trained.
        """


@dataclass(frozen=True)
class Sizes:
    """How much of a network was searched and kept.

    Attributes:
        searched: the size of the search space; of weight training, all weights.
        sparsity: k, the share of zeros in the ticket; of weight training None, and so are the next two.
        prune: the share of weights that were pruned for good.
        lock: the share of weights that were locked for good.
    """

    searched: int
    sparsity: float | None = None
    prune: float | None = None
    lock: float | None = None


class Checkpoint(Kept):
    """The state of a search: its scores, and the supermask that they lead to."""

    holds, kind, searches = "scores", "a search", True

    @property
    def scores(self) -> torch.Tensor:
        """The scores, float32 [searched]."""
        return self.parameters

    @cached_property
    def kept(self) -> int:
        """How many searched weights the supermask keeps."""
        return int(torch.count_nonzero(self.planes["kept"]))

    def sizes(self) -> Sizes:
        """Return how much was searched and kept."""
        source, size = self.source, self.source.size
        sparsity = 1 - (source.locked + self.kept) / size
        return Sizes(source.searched, sparsity, source.pruned / size, source.locked / size)

    def layer_masks(self) -> list[torch.Tensor]:
        """Return the supermask: for each layer, bool [searched positions], in ascending order."""
        return list(torch.split(self.planes["kept"], [layer.searched for layer in self.source.layers]))

    def ticket(self, buffers: str = "f32", where: object = "checkpoint") -> Ticket:
        """Make the ticket, as `Kept` says."""
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

    def state(self) -> dict[str, torch.Tensor]:
        """Regenerate weights and buffers."""
        return {name: torch.from_numpy(values) for name, values in self.ticket().state().items()}


class TrainedNetwork(Kept):
    """The state of weight training, the baseline of a ticket: no seed gives such weights again."""

    holds, kind, searches = "weights", "a training of weights", False

    @property
    def weights(self) -> torch.Tensor:
        """The weights of all layers, float32 [N]."""
        return self.parameters

    def sizes(self) -> Sizes:
        """Return that all weights are trained."""
        return Sizes(self.source.size)

    def state(self) -> dict[str, torch.Tensor]:
        """Return weights and buffers."""
        parts = torch.split(self.parameters, [layer.size for layer in self.source.layers])
        layers = zip(self.source.layers, parts, strict=True)
        weights = {name: part.view(layer.shape) for layer, part in layers for name in layer.parameters}
        return {**weights, **self.buffers}

    def ticket(self, buffers: str = "f32", where: object = "checkpoint") -> Ticket:
        """Refuse: there is none."""
        raise FormatError(
            where,
            expected="a checkpoint of sltpack search",
            found="weights that sltpack train made, which no seed gives again",
            remedy="run them with sltpack infer, or search a ticket",
        )


KINDS: Mapping[str, type[Kept]] = {kind.holds: kind for kind in (Checkpoint, TrainedNetwork)}
"""The kinds of what a run keeps, by what its parameters are called."""


def _packed(bits: torch.Tensor) -> torch.Tensor:
    """Pack bits as a ticket does: the first into the lowest bit of the first byte, uint8 [ceil(n / 8)]."""
    return torch.from_numpy(np.packbits(bits.cpu().numpy(), bitorder="little"))
