"""Gem-Miner over the searched positions only: scores in 0..1 that are rounded, and frozen at zero from below.

Sreenivasan et al. 2022, "Rare Gems: Finding Lottery Tickets at Initialization", algorithm 1: the forward pass sees the
rounded scores, the gradient goes straight through the rounding, scores are clipped to 0..1 after each step, and every
so often the smallest scores are frozen at zero, until as many are left as the ticket keeps. Its penalty on the scores
is the weight decay of the optimiser.
"""

from __future__ import annotations

import numpy as np
import torch

from ...format.records import Source
from .search_method import SearchMethod

ROUNDED_AT = 0.5
"""Scores from here on count as 1."""
FROZEN = -1.0
"""The score of a position that is out for good; scores that are searched lie in 0..1."""
FREEZING_ENDS = 0.75
"""The share of all epochs after which as many positions are left as the ticket keeps; the rest of them only train."""


class GemMiner(SearchMethod):
    """The search that rounds scores, and freezes the smallest of them at zero, epoch by epoch."""

    def prepare(self) -> None:
        """Take memory for what is frozen."""
        self._out = torch.zeros_like(self.scores, dtype=torch.bool, requires_grad=False)

    def first_scores(self, source: Source, seed: int) -> torch.Tensor:
        """Draw the scores that the search starts from, uniform in 0..1, float32 [searched], on the CPU."""
        return torch.from_numpy(np.random.default_rng([seed, 1]).random(source.searched, np.float32))

    def left_after(self, epoch: int) -> int:
        """Return how many positions are still searched in an epoch.

        Args:
            epoch: counted from 0.

        Returns:
            A geometric way from the whole search space to what the ticket keeps.
        """
        searched = self.scores.numel()
        if not searched or not self.wanted:
            return searched
        share = min(1.0, epoch / max(1.0, FREEZING_ENDS * (self._settings.epochs - 1)))
        left: float = searched * (self.wanted / searched) ** share
        return max(self.wanted, round(left))

    @torch.no_grad()
    def begin_epoch(self, epoch: int) -> None:
        """Freeze the smallest scores at zero, so that as many are left as the epoch has."""
        surplus = int((~self._out).sum()) - self.left_after(epoch)
        if surplus > 0:
            order = torch.argsort(torch.where(self._out, torch.inf, self.scores), stable=True)
            self._out[order[:surplus]] = True
        self.apply()

    def choose(self) -> torch.Tensor:
        """Clip the scores, and round them."""
        # Only what was frozen is exactly so: by this, a run that goes on knows it again.
        self._out |= self.scores == FROZEN
        self.scores.clamp_(0, 1)
        self.scores[self._out] = FROZEN
        torch.ge(self.scores, ROUNDED_AT, out=self._kept)
        return self._kept

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Hand the gradient of the kept factors to the scores still searched, and clear that of the weights."""
        super().take_gradient()
        assert self.scores.grad is not None
        self.scores.grad.masked_fill_(self._out, 0.0)

    @torch.no_grad()
    def settle(self) -> None:
        """Keep exactly as many as the ticket does, the largest scores: rounding alone meets no sparsity."""
        order = torch.argsort(self.scores, descending=True, stable=True)
        self._kept.zero_()
        self._kept[order[: self.wanted]] = 1.0
        self._network.write(self._kept)
