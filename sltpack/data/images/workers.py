"""Tensors made by worker processes ahead of their use, in order."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from ...errors import RequestError, SltpackError

T = TypeVar("T")


def in_workers(
    make: Callable[[int], torch.Tensor], count: int, workers: int, pinned: bool = False
) -> Iterator[torch.Tensor]:
    """Make tensors in worker processes, each of one thread, up to two ahead for each process.

    Args:
        make: makes a tensor on the CPU of its number; it is copied to the processes. Its `SltpackError` is raised here.
        count: makes the numbers 0 to count - 1.
        workers: how many processes, where there are as many tensors; 0 makes them in this one, when they are asked for.
        pinned: whether workers' tensors are put into memory that a GPU copies from while this process goes on.

    Yields:
        The tensors in the order of their numbers.

    Raises:
        SltpackError: as `make`.
        RequestError: a process ended, or could not be started.
    """
    processes = min(workers, count)
    if not processes:
        yield from map(make, range(count))
        return
    # The processes end with the pass: starting them takes milliseconds, and a pass over photographs takes minutes.
    iterator = _guarded(lambda: _started(make, count, processes, pinned))
    try:
        for _ in range(count):
            made = _guarded(lambda: next(iterator))
            if isinstance(made, SltpackError):
                raise made
            yield made
    finally:
        # torch would do it once nothing holds the iterator any more. The traceback of an error holds it for long, and
        # where it is part of a cycle, its queues are gone before it, and with them the way to tell the workers.
        iterator._shutdown_workers()


@dataclass(frozen=True)
class _Made(Dataset["torch.Tensor | SltpackError"]):
    """What a worker does with each number. An error is a value, since torch would put a traceback into its text."""

    make: Callable[[int], torch.Tensor]

    def __getitem__(self, number: int) -> torch.Tensor | SltpackError:
        try:
            made = self.make(number)
        except SltpackError as error:
            return error
        try:
            # Here, where a lack of shared memory can be told: in the thread that sends the tensor it would be lost.
            made.share_memory_()  # type: ignore[no-untyped-call]
        except (RuntimeError, OSError) as error:
            return _failed(error)
        return made


def _started(make: Callable[[int], torch.Tensor], count: int, processes: int, pinned: bool) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as asked for
        loader = DataLoader(
            _Made(make),
            batch_size=None,
            sampler=range(count),
            num_workers=processes,
            pin_memory=pinned,
            generator=torch.Generator(),  # else it would move torch's own on by one draw
        )
        return iter(loader) if sys.platform == "win32" else _with_signals_kept(loader)


def _with_signals_kept(loader: DataLoader[Any]) -> Any:
    on_end = signal.getsignal(signal.SIGCHLD)
    # Ctrl-C reaches every process of a terminal. The workers inherit that it is kept from them, and are told to end.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        iterator = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    # torch has set a handler that raises wherever this process is when a worker is lost. Without it, that is told when
    # the worker's tensor is waited for, after some seconds.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, on_end)
    return iterator


def _guarded(step: Callable[[], T]) -> T:
    """Take a step of torch's, which tells by these errors that a worker or the memory between them is lost."""
    try:
        return step()
    except (RuntimeError, OSError, EOFError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> RequestError:
    return RequestError(
        "--workers",
        expected="processes that read images, and memory for them",
        found=str(error).partition("\n")[0] or type(error).__name__,
        remedy="look for what ended them, or lower --workers or --batch-size",
    )
