"""Several processes at one search: torchrun's, each with its share of every batch, all with the same scores.

What a process cannot know by itself comes from the first one, the leader: where the search stands, and whether it may
begin at all. Only the leader reads and writes the folder. So the others need not see it; but where torchrun starts
several nodes again after a failure, another of them may lead, and then only a folder that all of them see goes on.

An error that every process would meet is raised in all of them. One that only some meet, as a full disk, ends these;
torchrun then ends the others, which wait for them.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from ... import launch
from ...data.dataset import WHOLE, Share
from ...errors import RequestError, SltpackError
from ...models import example

Value = TypeVar("Value")
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
_TRANSPORTS = ("gloo", "nccl")
"""What the libraries between processes write into their errors."""
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Team:
    """The processes at one search, as one of them sees them.

    Attributes:
        share: which of them this is.
    """

    share: Share = WHOLE

    @property
    def leads(self) -> bool:
        """Whether this process reads and writes for all."""
        return self.share.index == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.share.count == 1

    def from_leader(self, make: Callable[[], Value]) -> Value:
        """Have the leader make a value, which every process gets; its error is raised in all.

        Args:
            make: makes the value; called in the leader alone.

        Returns:
            The value, or a copy of it.

        Raises:
            SltpackError: as `make` does.
        """
        if self.alone:
            return make()
        made: list[Any] = [None]
        if self.leads:
            try:
                made[0] = make()
            except SltpackError as error:
                made[0] = error
        # Pickles, but only between processes of one search, over torchrun's own connections.
        with _others():
            distributed.broadcast_object_list(made)
        if isinstance(made[0], SltpackError):
            raise made[0]
        value: Value = made[0]
        return value

    def leader_first(self, make: Callable[[], Value]) -> Value:
        """Make a value in every process, but in the leader first: it may download what the others then find.

        Args:
            make: makes the value.

        Returns:
            The value.

        Raises:
            SltpackError: as `make` does.
        """
        made: list[Value] = []
        self.from_leader(lambda: made.append(make()))
        return made[0] if made else make()

    def require_same(self, values: Mapping[str, Any]) -> None:
        """Make sure that all processes were started alike, before any of them does something.

        Args:
            values: what has to be the same, plain values by name.

        Raises:
            RequestError: a value is another than in the leader; raised in all processes.
        """
        if self.alone:
            return
        of_all: list[Any] = [None] * self.share.count
        with _others():
            distributed.all_gather_object(of_all, dict(values))
        for index, theirs in enumerate(of_all):
            for name in of_all[0]:
                if theirs.get(name) != of_all[0][name]:
                    raise RequestError(
                        f"process {index}: {name}",
                        expected="the same in all processes",
                        found="another than in process 0",
                        remedy="start all with the same command and data",
                    )

    def sum(self, numbers: torch.Tensor) -> torch.Tensor:
        """Add up a tensor over all processes, in place, and return it."""
        if not self.alone:
            with _others():
                distributed.all_reduce(numbers)
        return numbers

    def join(self, model: nn.Module, shape: tuple[int, ...] | None = None) -> nn.Module:
        """Make a model whose gradients are the mean over all processes, as those of one with the whole batch.

        Args:
            model: the model, with the same weights in all processes; its BatchNorm layers take their statistics over
                the whole batch from then on. Other layers that keep buffers while they train, a BatchNorm with a
                forward pass of its own among them, see a process's share, and go on from the leader's in each step. On
                a graph each process has all nodes: the statistics are the same, but for the correction of the running
                variance by n / (n - 1), which counts the nodes of all.
            shape: of its input, where it may have weights that it does not use.

        Returns:
            The model to train with, around the given one.
        """
        if self.alone:
            return model
        for module in model.modules():
            if isinstance(module, _BATCH_NORMS) and type(module).forward is nn.BatchNorm2d.forward:
                module.forward = _WholeBatchNorm(module, self.share.count)  # type: ignore[method-assign, assignment]
        with _others():
            left_out = shape is not None and _leaves_out(model, shape)
            return nn.parallel.DistributedDataParallel(model, find_unused_parameters=left_out)


ALONE = Team()
"""A process that shares its work with none."""


@contextmanager
def _others() -> Iterator[None]:
    """Tell that another process is gone, which torch does in its own way."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise parted(error) from error


def parted(error: Exception) -> SltpackError:
    """Make the error that tells that the processes could not go on together."""
    return SltpackError(
        "torchrun",
        expected="processes that find each other and go on together",
        found=str(error).partition("\n")[0] or type(error).__name__,
        remedy="look at what ended the others; --resume goes on",
    )


def is_of_others(error: Exception) -> bool:
    """Tell whether a step failed because another process is gone: torch has no type of error for it."""
    return distributed.is_initialized() and any(word in str(error).lower() for word in _TRANSPORTS)


class _WholeBatchNorm:
    """The forward pass of a BatchNorm layer whose statistics are of the whole batch (torch's own needs a GPU)."""

    def __init__(self, layer: BatchNorm, processes: int) -> None:
        self._layer, self._plain, self._processes = layer, layer.forward, processes

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Normalises (B, C, ...) as one process with the batches of all would."""
        layer = self._layer
        if not layer.training:
            return self._plain(x)
        over = [0, *range(2, x.dim())]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        full = x.float()
        count = full.numel() // full.shape[1] * self._processes
        mean = _summed(full.sum(over)) / count  # (C,)
        centred = full - mean.view(shape)
        variance = _summed(centred.square().sum(over)) / count  # (C,)
        if layer.track_running_stats and layer.running_mean is not None and layer.running_var is not None:
            with torch.no_grad():
                layer.num_batches_tracked.add_(1)  # type: ignore[union-attr]
                share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum  # type: ignore[arg-type]
                layer.running_mean.lerp_(mean, share)
                layer.running_var.lerp_(variance * (count / (count - 1)), share)
        normal: torch.Tensor = centred * torch.rsqrt(variance + layer.eps).view(shape)
        if layer.affine:
            normal = normal * layer.weight.view(shape) + layer.bias.view(shape)
        return normal.to(x.dtype)


def _leaves_out(model: nn.Module, shape: tuple[int, ...]) -> bool:
    """Tell whether a model has weights that it does not use, for whose gradients the processes would wait."""
    model.eval()  # a trial must not move BatchNorm's statistics
    scores = model(example(shape, next(model.parameters()).device))
    if scores.requires_grad:  # otherwise the first step refuses the model
        scores.sum().backward()
    left_out = any(parameter.grad is None for parameter in model.parameters())
    model.zero_grad()
    return left_out


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes, on the way back the sum of its gradients.

    torch.distributed.nn has it too, but not in every build of torch, and warns that it will go.
    """

    @staticmethod
    def forward(_: Any, own: torch.Tensor) -> torch.Tensor:
        """Add up."""
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: torch.Tensor) -> torch.Tensor:
        """Add up the gradients."""
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def _summed(own: torch.Tensor) -> torch.Tensor:
    with _others():
        total: torch.Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]
    return total


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """Join the processes that torchrun started, or stays alone where it did not.

    Args:
        device: the kind of device that each of them computes on.

    Yields:
        The team.

    Raises:
        RequestError: the device knows no way to work with other processes, or there is none for each of them.
        SltpackError: they do not find each other.
    """
    if launch.count_processes() == 1:
        yield ALONE
        return
    backend = {"cpu": "gloo", "cuda": "nccl"}.get(device.type)
    if backend is None:
        raise RequestError(
            f"--device {device.type}",
            expected="cpu or cuda for several processes",
            found=device.type,
            remedy="choose one of these, or a single process",
        )
    if backend == "nccl":
        _take_gpu()
    joined = distributed.is_initialized()  # by the caller, or for an earlier search that ended with an error
    if not joined:
        with _others():
            _join(backend)
        if backend == "gloo":
            atexit.register(_leave)
    yield Team(Share(distributed.get_rank(), distributed.get_world_size()))
    # Not after an error: the others may be waiting in the middle of a sum, and then, on GPUs, this would wait for them.
    if not joined:
        with _others():
            distributed.barrier()  # so that none goes while another still talks to it
        distributed.destroy_process_group()


def _leave() -> None:
    """End the threads between processes after an error, without which a process may be aborted as it ends."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _take_gpu() -> None:
    own, count = launch.local_rank(), torch.cuda.device_count()
    if own >= count:
        raise RequestError(
            "--device cuda",
            expected="a GPU for each process of this machine",
            found=f"{count} for process {own}, counted from 0",
            remedy="lower --nproc-per-node, or choose cpu",
        )
    torch.cuda.set_device(own)


def _join(backend: str) -> None:
    store, rank, count = next(distributed.rendezvous("env://"))  # type: ignore[attr-defined]
    # The store outlives a search, and what an earlier one left there would mislead the next of the same script.
    time = store.add(f"sltpack/{rank}", 1)
    own = distributed.PrefixStore(f"sltpack/{time}", store)  # type: ignore[attr-defined]
    distributed.init_process_group(backend, store=own, rank=rank, world_size=count)
