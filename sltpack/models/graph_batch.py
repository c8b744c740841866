"""What a network for graphs is given: the features of all nodes, the mean over neighbours, and the nodes wanted.

Features and neighbours are constant, and both may be sparse matrices: what is multiplied by them is worked out here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

SPARSE_SHARE = 20
"""Features of which no more than one in so many is not zero are kept as a sparse matrix. On a processor that is as fast
as a dense one where one in ten is not zero, as in PubMed; in Cora it is one in 79, in CiteSeer one in 117."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Who is next to whom in an undirected graph without self-loops, as the matrix that takes the mean.

    Attributes:
        matrix: sparse CSR, float32 [n, n]: row i holds 1 / degree(i) at the neighbours of i, and nothing where it has
            none.
        transposed: the same matrix transposed, which the backward pass multiplies by. Being kept, it need not be made
            in each step; the places are those of `matrix`, which are symmetric, and share their memory
            on the processor.
    """

    matrix: torch.Tensor
    transposed: torch.Tensor

    @classmethod
    def of(cls, starts: torch.Tensor, ends: torch.Tensor) -> Neighbours:
        """Make both matrices of the places of a symmetric one.

        Args:
            starts: where the neighbours of each node begin in `ends`, then their number, int64 [n + 1].
            ends: the neighbours of node 0 in ascending order, then of node 1, and so on, int64 [m].

        Returns:
            The neighbours.
        """
        degrees = starts.diff()
        shares = degrees.to(torch.float32).reciprocal()  # of a node without neighbours infinite, and never used
        own, others = shares.repeat_interleave(degrees), shares[ends]
        starts, ends = _narrow(starts, ends)  # once for both
        return cls(*(_csr(starts, ends, values, len(degrees)) for values in (own, others)))

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def edges(self) -> int:
        """How many pairs of nodes are neighbours."""
        return self.matrix.values().numel() // 2

    def to(self, device: torch.device) -> Neighbours:
        """Put both matrices on a device, where each has places of its own."""
        return Neighbours(self.matrix.to(device), self.transposed.to(device))

    def gather(self, hidden: torch.Tensor) -> torch.Tensor:
        """Add to each node the mean over its neighbours; a node without any stays as it is.

        Args:
            hidden: of all nodes, float32 or, in autocast, a narrower type, [n, channels].

        Returns:
            float32 [n, channels]; the same bits on the same processor each time, and so are its gradients.
        """
        with torch.autocast(hidden.device.type, enabled=False):  # which MKL has no sparse product for
            gathered: torch.Tensor = _Gather.apply(self.matrix, self.transposed, hidden.float())  # type: ignore[no-untyped-call]
        return gathered


class Nodes(NamedTuple):
    """A batch for a network for graphs: always the whole graph, since every node leans on others.

    Attributes:
        features: of all nodes, float32 [n, F], a sparse CSR matrix where most are zero.
        neighbours: of all nodes.
        wanted: the nodes whose class scores are wanted, int64 [B].
    """

    features: torch.Tensor
    neighbours: Neighbours
    wanted: torch.Tensor


def compact(features: torch.Tensor) -> torch.Tensor:
    """Make a sparse matrix of features where that is faster.

    Args:
        features: float32 [n, F], on the CPU.

    Returns:
        The same numbers, as a sparse CSR matrix if most of them are zero.
    """
    if int(torch.count_nonzero(features)) * SPARSE_SHARE > features.numel():
        return features
    rows, columns = features.nonzero(as_tuple=True)
    starts = torch.searchsorted(rows, torch.arange(len(features) + 1))
    return _csr(*_narrow(starts, columns), features[rows, columns], features.shape[1])


def apply_linear(linear: nn.Linear, features: torch.Tensor) -> torch.Tensor:
    """Applies a linear layer without biases to features that may be sparse.

    Args:
        linear: the layer.
        features: [n, F].

    Returns:
        [n, out].
    """
    if features.layout != torch.sparse_csr:
        moved: torch.Tensor = linear(features)
        return moved
    with torch.autocast(features.device.type, enabled=False):
        return features @ linear.weight.T


class _Gather(torch.autograd.Function):
    """A product with a constant sparse matrix, and a sum; torch's own would transpose it in every backward pass."""

    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, transposed: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        ctx.transposed = transposed
        return torch.addmm(hidden, matrix, hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        (gradient,) = gradients
        return None, None, torch.addmm(gradient, ctx.transposed, gradient)


def _narrow(starts: torch.Tensor, ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return places as int32 where they fit: half the memory, and what MKL's products take."""
    return (starts, ends) if len(ends) >= 2**31 else (starts.to(torch.int32), ends.to(torch.int32))


def _csr(starts: torch.Tensor, ends: torch.Tensor, values: torch.Tensor, columns: int) -> torch.Tensor:
    shape = len(starts) - 1, columns
    with warnings.catch_warnings():
        # torch says once in a process that its CSR tensors are not finished; their product with a dense matrix, which
        # is all that is used here, is.
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state", UserWarning)
        return torch.sparse_csr_tensor(starts, ends, values, shape, check_invariants=True)
