"""What the methods of search have in common: scores of the searched positions in, planes out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from ...format.records import Source
from ...source.network import searched_kept
from ..settings import Settings
from .searched_network import SearchedNetwork


class SearchMethod:
    """A search by scores. A method of its own overrides `choose`, and what else differs from a plain one.

    As it stands, a score is moved by the gradient of the loss with respect to the factor 0 or 1 of its weight.

    Args:
        model: whose searchable weights are overwritten.
        source: the source network.
        settings: of the search.
        device: where the model is.

    Attributes:
        scores: of the searched positions of all layers, one layer behind the other, float32 [searched].
        wanted: how many searched weights the ticket is to keep.

    Raises:
        RequestError: the sparsity cannot be reached, or a layer is too large.
    """

    holds = "scores"
    learns = True

    def __init__(self, model: nn.Module, source: Source, settings: Settings, device: torch.device) -> None:
        self.wanted = searched_kept(source, settings.sparsity)
        self.source = source
        self.scores = nn.Parameter(self.first_scores(source, settings.seed_of("score")).to(device))
        self._settings = settings
        self._model = model
        self._network = SearchedNetwork(model, source, device)
        self._kept = torch.zeros_like(self.scores, requires_grad=False)
        self.prepare()
        self.apply()

    def prepare(self) -> None:
        """Make ready what `choose` needs; called once, before the first choice."""

    def first_scores(self, source: Source, seed: int) -> torch.Tensor:
        """Draw the scores that the search starts from, float32 [searched], on the CPU."""
        return kaiming_normal(source, seed)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What an optimiser moves."""
        return [self.scores]

    def begin_epoch(self, epoch: int) -> None:
        """Do nothing: all epochs are alike."""

    def begin_step(self, done: float) -> None:
        """Do nothing: there is no schedule."""

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Hand the gradient of the kept factors to the scores, and clear that of the weights."""
        self.scores.grad = self._network.take_gradient()

    @torch.no_grad()
    def apply(self) -> None:
        """Choose the supermask again and write the effective weights, as the packed ticket would have them."""
        self._kept = self.choose()
        self._network.write(self._kept)

    def settle(self) -> None:
        """Do nothing: training steps see the ticket itself."""

    def choose(self) -> torch.Tensor:
        """Choose the supermask from the scores.

        Returns:
            1.0 for each searched weight that is kept and 0.0 elsewhere, float32 [searched], on the device; the next
            choice may overwrite it.
        """
        raise NotImplementedError

    def planes(self) -> Mapping[str, torch.Tensor]:
        """Return the supermask: bool [searched], on the CPU."""
        return {"kept": (self._kept > 0).cpu()}


def kaiming_normal(source: Source, seed: int) -> torch.Tensor:
    """Draw scores from normal distributions, Kaiming's by each layer's whole fan-in (He et al. 2015).

    Args:
        source: the source network.
        seed: of the scores.

    Returns:
        float32 [searched], on the CPU.
    """
    random = np.random.default_rng([seed, 1])
    drawn = [
        random.standard_normal(layer.searched, np.float32) * np.float32((2 / layer.fan_in) ** 0.5)
        for layer in source.layers
    ]
    return torch.from_numpy(np.concatenate(drawn))
