"""What BatchNorm's statistics in a ticket of `gin` could be reduced to, and how many predictions each form changes.

    python docs/measurements/graph_statistics.py runs/graphs/cora/frozen-ku-0/model.slt --data cora --data-dir DATA

`gin` keeps none: it takes those of the graph that it is run on, in the search as in `infer`. The other forms are those
of a network that would keep them, measured on the same graph. One that keeps torch's running statistics is searched by
`sltpack search --model graph_statistics:tracking --data cora`, from this folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from sltpack import data
from sltpack.data.graphs.graph import whole_graph
from sltpack.inference.network import open_network
from sltpack.inference.prediction import predict
from sltpack.models.gin import Gin

Form = Callable[[torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]
"""From mean, variance and epsilon of each channel to the factor and the summand that are applied."""


def tracking(width: float, classes: int, input_shape: tuple[int, ...]) -> Gin:
    """Builds `gin` with running statistics, as torch keeps them unless told otherwise."""
    made = Gin(width, classes, (input_shape[0],))
    for name, module in list(made.named_children()):
        if isinstance(module, nn.BatchNorm1d):
            setattr(made, name, nn.BatchNorm1d(module.num_features, affine=False))
    return made


def main() -> None:
    """Prints a line for each form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    nodes = whole_graph(data.load(arguments.data, arguments.data_dir).train)
    model = open_network(arguments.file).model
    with watched(model) as seen:
        wanted = predict(model, nodes)
    channels = sum(mean.numel() for mean, _ in seen.values())
    dead = sum(int((mean.abs() + variance == 0).sum()) for mean, variance in seen.values())
    sys.stdout.write(f"{len(nodes)} nodes, {channels} channels, of which {dead} are 0 at every node\n")
    for name, bits, form in FORMS:
        changed = int((predict(replaced(arguments.file, seen, form), nodes) != wanted).sum())
        sys.stdout.write(f"| {name} | {bits * channels:,} | {changed} |\n")
    again = int((predict(open_network(arguments.file).model, nodes) != wanted).sum())
    sys.stdout.write(f"| none: those of the graph | 0 | {again} |\n")


@contextmanager
def watched(model: nn.Module) -> Iterator[dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Notes the mean and the variance of what comes into each BatchNorm."""
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def noting(name: str) -> Callable[..., None]:
        def note(_: nn.Module, arguments: tuple[torch.Tensor]) -> None:
            seen[name] = arguments[0].mean(0), arguments[0].var(0, unbiased=False)

        return note

    norms = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.BatchNorm1d)]
    hooks = [module.register_forward_pre_hook(noting(name)) for name, module in norms]
    yield seen
    for hook in hooks:
        hook.remove()


class _Fixed(nn.Module):
    """What a BatchNorm does that keeps a factor and a summand for each channel."""

    def __init__(self, factor: torch.Tensor, summand: torch.Tensor) -> None:
        super().__init__()
        self.factor, self.summand = factor, summand

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden * self.factor + self.summand


def replaced(file: Path, seen: dict[str, tuple[torch.Tensor, torch.Tensor]], form: Form) -> nn.Module:
    """Makes the network of a ticket with kept statistics in place of the graph's."""
    model = open_network(file).model
    for name, (mean, variance) in seen.items():
        norm = model.get_submodule(name)
        assert isinstance(norm, nn.BatchNorm1d)
        setattr(model, name, _Fixed(*form(mean, variance, norm.eps)))
    return model


def _folded(mean: torch.Tensor, variance: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    factor = torch.rsqrt(variance + epsilon)
    return factor, -mean * factor


def _half(values: torch.Tensor) -> torch.Tensor:
    return values.half().float()


def _shared(mean: torch.Tensor, variance: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    factor = torch.rsqrt(variance.mean() + epsilon).expand_as(mean)
    return factor, -_half(mean) * factor


FORMS: tuple[tuple[str, int, Form], ...] = (
    ("mean and variance, float32", 64, _folded),
    ("mean and variance, float16", 32, lambda mean, variance, eps: _folded(_half(mean), _half(variance), eps)),
    ("factor and summand, float16", 32, lambda *all_: tuple(map(_half, _folded(*all_)))),  # type: ignore[arg-type, return-value]
    ("one factor a layer, float32, and float16 means", 16, _shared),
)
"""Name, bits a channel, and what it makes of the statistics."""


if __name__ == "__main__":
    main()
