"""Edge-popup over the searched positions only: the scores of largest size stay.

Edge-popup is Ramanujan et al. 2020; one threshold for the whole network, Sreenivasan et al. 2022; frozen positions,
Otsuka et al. 2024.
"""

from __future__ import annotations

import torch

from .search_method import SearchMethod
from .selection import Selection


class EdgePopup(SearchMethod):
    """The search that keeps the scores of largest size, by one threshold for the network or one for each layer."""

    def prepare(self) -> None:
        """Take memory for the selection."""
        by_layer = self._settings.threshold == "layer"
        self._selection = Selection(self.source, self.wanted, by_layer, self.scores.device)
        self._signs = torch.empty_like(self.scores, requires_grad=False)

    def choose(self) -> torch.Tensor:
        """Choose the scores of largest size."""
        return self._selection.select(self.scores)

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Hand the gradient of the effective weights to the scores, and clear it.

        For a searched weight w with score s, the size |s| decides, so the gradient is dL/dw * w * sign(s), as if the
        weight were multiplied by |s| (Ramanujan et al. 2020, equation 2).
        """
        torch.sign(self.scores, out=self._signs)
        self.scores.grad = self._network.take_gradient().mul_(self._signs)
