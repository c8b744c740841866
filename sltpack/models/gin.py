"""GIN, a network for graphs (Xu et al. 2019), in the form of Otsuka et al. 2024: four layers, no biases."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .graph_batch import Neighbours, Nodes, apply_linear

HIDDEN = 386
"""Features of the three hidden layers at width 1."""


class Gin(nn.Module):
    """Four layers h <- ReLU(norm(W (h + mean of the neighbours' h))), and a linear one on what the third gives.

    The searchable layers are `linear1` to `linear4` and, last, `linear5`.

    Args:
        width: factor of the hidden features.
        classes: how many outputs.
        input_shape: features of a node, as a tuple of that one number.
    """

    def __init__(self, width: float, classes: int, input_shape: tuple[int]) -> None:
        super().__init__()
        (features,) = input_shape
        hidden = max(1, round(HIDDEN * width))
        self.linear1, self.norm1 = _linear(features, hidden), _norm(hidden)
        self.linear2, self.norm2 = _linear(hidden, hidden), _norm(hidden)
        self.linear3, self.norm3 = _linear(hidden, hidden), _norm(hidden)
        self.linear4, self.norm4 = _linear(hidden, classes), _norm(classes)
        self.linear5 = _linear(hidden, classes)

    def forward(self, nodes: Nodes) -> torch.Tensor:
        """Map a graph of n nodes, of which B are wanted, to class scores (B, classes)."""
        features, neighbours, wanted = nodes
        hidden = functional.relu(self.norm1(_layer(self.linear1, features, neighbours)), inplace=True)  # (n, hidden)
        hidden = functional.relu(self.norm2(_layer(self.linear2, hidden, neighbours)), inplace=True)  # (n, hidden)
        third = functional.relu(self.norm3(_layer(self.linear3, hidden, neighbours)), inplace=True)  # (n, hidden)
        fourth = functional.relu(self.norm4(_layer(self.linear4, third, neighbours)), inplace=True)  # (n, classes)
        scores: torch.Tensor = (self.linear5(third) + fourth) / 2  # (n, classes)
        return scores.index_select(0, wanted)  # (B, classes)


def _layer(linear: nn.Linear, hidden: torch.Tensor, neighbours: Neighbours) -> torch.Tensor:
    """Return W (h + mean of the neighbours' h), with neighbours gathered where there are fewer channels.

    The order makes no difference but for rounding, since W is linear; features that are sparse would not be once they
    are gathered. It follows from the graph and the shape of W alone, so that a network gives the same scores each time.
    """
    if hidden.layout == torch.sparse_csr or linear.out_features <= linear.in_features:
        return neighbours.gather(apply_linear(linear, hidden))  # (n, out)
    return apply_linear(linear, neighbours.gather(hidden))  # (n, out)


def _linear(features: int, out: int) -> nn.Linear:
    return nn.Linear(features, out, bias=False)


def _norm(features: int) -> nn.BatchNorm1d:
    # Without learned parameters: a ticket holds nothing trained (Otsuka et al. 2024, section 4).
    return nn.BatchNorm1d(features, affine=False, track_running_stats=False)
