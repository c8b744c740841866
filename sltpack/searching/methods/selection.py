"""Which scores stay: exactly as many as wanted, the largest by size, the first by position where they are equal."""

from __future__ import annotations

import numpy as np
import torch

from ...format.records import Source
from ...source.network import kept_by_layer


class Selector:
    """Selects a fixed number of scores, step after step, in memory that it takes once.

    Fresh memory of this size costs a processor more than the selection itself, page by page; and products of bools
    and floats, ten times as much as products of floats.

    Args:
        size: how many scores there are.
        count: how many to keep, 0..size.
        device: where the scores are.

    Attributes:
        kept: the supermask of the last selection, 1.0 or 0.0, float32 [size], with exactly `count` ones.
        threshold: the size of the smallest score kept, float32 []; infinity where none is.
    """

    def __init__(self, size: int, count: int, device: torch.device) -> None:
        self.kept = torch.zeros(size, device=device)
        self.threshold = torch.tensor(torch.inf, device=device)
        self._count = count
        self._on_cpu = device.type == "cpu"
        self._sorted = np.empty(size if self._on_cpu else 0, np.float32)

    def select(self, scores: torch.Tensor) -> torch.Tensor:
        """Select again.

        Args:
            scores: float32 [size].

        Returns:
            `kept`, which the next selection overwrites.
        """
        if not self._count:
            return self.kept
        sizes = torch.abs(scores.detach(), out=self.kept)  # where the supermask is written later
        if self._on_cpu:
            self._select_here(sizes, scores)
        else:
            self._select_elsewhere(sizes)
        return self.kept

    def _select_here(self, sizes: torch.Tensor, scores: torch.Tensor) -> None:
        dropped = sizes.numel() - self._count
        np.copyto(self._sorted, sizes.numpy())
        self._sorted.partition(dropped)  # torch's own selection takes twenty times as long on a CPU
        self.threshold = torch.tensor(self._sorted[dropped])
        torch.ge(sizes, self.threshold, out=self.kept)
        extra = np.count_nonzero(self._sorted[:dropped] == self._sorted[dropped])
        if extra:
            ties = np.flatnonzero(np.abs(scores.detach().numpy()) == self._sorted[dropped])
            self.kept[torch.from_numpy(ties[ties.size - extra :])] = 0

    def _select_elsewhere(self, sizes: torch.Tensor) -> None:
        """Select without a look at any number, for which a GPU would have to be waited for."""
        # A radix sort, which is faster there than kthvalue; a copy, so that the sorted scores do not stay in memory.
        self.threshold = sizes.sort().values[sizes.numel() - self._count].clone()
        larger, equal = sizes > self.threshold, sizes == self.threshold
        wanted = self._count - larger.sum()
        self.kept.copy_(larger | (equal & (equal.cumsum(0) <= wanted)))


class Selection:
    """Selects the scores of largest size by one threshold for the whole network, or by one for each layer.

    Args:
        source: the source network.
        kept: how many searched weights to keep.
        by_layer: whether each layer keeps the same share of its searched weights, by a threshold of its own.
        device: where the scores are.
    """

    def __init__(self, source: Source, kept: int, by_layer: bool, device: torch.device) -> None:
        counts = kept_by_layer(source, kept) if by_layer else (kept,)
        sizes = [layer.searched for layer in source.layers] if by_layer else [source.searched]
        self._selectors = [Selector(size, count, device) for size, count in zip(sizes, counts, strict=True)]

    def select(self, scores: torch.Tensor) -> torch.Tensor:
        """Select again.

        Args:
            scores: float32 [searched].

        Returns:
            1.0 for each score that stays and 0.0 elsewhere, float32 [searched]; the next selection may overwrite it.
        """
        start, chosen = 0, []
        for selector in self._selectors:
            end = start + selector.kept.numel()
            chosen.append(selector.select(scores[start:end]))
            start = end
        return chosen[0] if len(chosen) == 1 else torch.cat(chosen)
