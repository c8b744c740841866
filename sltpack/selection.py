"""Which scores stay: exactly as many as wanted, the largest by size, the first by position where they are equal."""

from __future__ import annotations

import numpy as np
import torch


class Selector:
    """Selects a fixed number of scores, step after step, in memory that it takes once.

    Fresh memory of this size costs a processor more than the selection itself, page by page.

    Args:
        size: how many scores there are.
        count: how many to keep, 0..size.
        device: where the scores are.

    Attributes:
        kept: the supermask of the last selection, bool [size], with exactly `count` ones.
        threshold: the size of the smallest score kept, float32 []; infinity where none is.
    """

    def __init__(self, size: int, count: int, device: torch.device) -> None:
        self.kept = torch.zeros(size, dtype=torch.bool, device=device)
        self.threshold = torch.tensor(torch.inf, device=device)
        self._count = count
        self._sizes = torch.empty(size, device=device)
        self._on_cpu = device.type == "cpu"
        self._sorted = np.empty(size if self._on_cpu else 0, np.float32)

    def select(self, scores: torch.Tensor) -> torch.Tensor:
        """Selects anew.

        Args:
            scores: float32 [size].

        Returns:
            `kept`, which the next selection overwrites.
        """
        if self._count:
            torch.abs(scores.detach(), out=self._sizes)
            self.threshold = self._smallest_kept()
            torch.ge(self._sizes, self.threshold, out=self.kept)
            self._leave_out_last_ties()
        return self.kept

    def _smallest_kept(self) -> torch.Tensor:
        dropped = self.kept.numel() - self._count
        if not self._on_cpu:
            # Its radix sort takes a fraction of what kthvalue takes there, and nothing waits for its result.
            return self._sizes.sort().values[dropped]
        # On a CPU, torch's selection takes twenty times as long as NumPy's.
        np.copyto(self._sorted, self._sizes.numpy())
        self._sorted.partition(dropped)
        return torch.tensor(self._sorted[dropped])

    def _leave_out_last_ties(self) -> None:
        if self._on_cpu:
            if np.count_nonzero(self.kept.numpy()) > self._count:
                ties = np.flatnonzero(self._sizes.numpy() == self.threshold.numpy())
                extra = np.count_nonzero(self.kept.numpy()) - self._count
                self.kept[torch.from_numpy(ties[ties.size - extra :])] = False
            return
        # The same without a look at the number of ties, for which the device would have to be waited for.
        ties_so_far = torch.eq(self._sizes, self.threshold).flip(0).cumsum(0).flip(0)
        self.kept &= (self._sizes > self.threshold) | (ties_so_far > self.kept.sum() - self._count)


def select(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, float]:
    """Selects the scores of largest size, once.

    Args:
        scores: float32 [n].
        count: how many to keep, 0..n.

    Returns:
        The supermask, bool [n], with exactly `count` ones, and the threshold: the size of the smallest score kept
        (infinity where none is).
    """
    selector = Selector(scores.numel(), count, scores.device)
    return selector.select(scores), float(selector.threshold)
