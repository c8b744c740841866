"""No search at all: a supermask is drawn for each epoch, and the best of them stays. A baseline for the others."""

from __future__ import annotations

import numpy as np
import torch

from ...models.layers import forget_statistics
from .edge_popup import EdgePopup


class RandomSearch(EdgePopup):
    """Random supermasks, each of so many kept weights as likely as any other: the largest of random scores."""

    learns = False

    def begin_epoch(self, epoch: int) -> None:
        """Draw the supermask of an epoch, and have BatchNorm begin its statistics again."""
        self.draw(self._settings.seed_of("score"), epoch)
        forget_statistics(self._model)

    @torch.no_grad()
    def draw(self, seed: int, number: int) -> None:
        """Draw a supermask.

        Args:
            seed: of the scores.
            number: which of the supermasks of that seed.
        """
        drawn = np.random.default_rng([seed, 5, number]).random(self.scores.numel(), np.float32)
        self.scores.copy_(torch.from_numpy(drawn))
        self.apply()
