"""Worker processes change nothing but the speed, and what goes wrong in them is told here in one line."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from sltpack.data.images.workers import in_workers
from sltpack.errors import DataError, RequestError


def numbered(number: int) -> torch.Tensor:
    time.sleep(0.02 * (number % 2 == 0))  # so that the second worker is ahead
    return torch.tensor([number, os.getpid(), torch.get_num_threads()])


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_in_order_and_by_so_many_processes(workers: int) -> None:
    made = torch.stack(list(in_workers(numbered, 7, workers))).tolist()
    assert [number for number, _, _ in made] == list(range(7))
    processes = {process for _, process, _ in made}
    assert len(processes) == max(1, workers)
    assert (os.getpid() in processes) == (workers == 0)
    assert {threads for _, _, threads in made} == {1}


def test_no_more_workers_than_there_is_to_make() -> None:
    assert list(in_workers(numbered, 0, 4)) == []
    tensors = in_workers(numbered, 1, 4)
    next(tensors)
    assert len(multiprocessing.active_children()) == 1
    assert list(tensors) == []


def test_leaves_torchs_chance_alone() -> None:
    before = torch.get_rng_state()
    for workers in (0, 1):
        list(in_workers(numbered, 2, workers))
    assert torch.equal(torch.get_rng_state(), before)


def damaged(number: int) -> torch.Tensor:
    if number == 1:
        raise DataError("cat.png", expected="an image", found="a dog", remedy="look again")
    return torch.zeros(1)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_arrives_as_itself(workers: int) -> None:
    tensors = in_workers(damaged, 3, workers)
    next(tensors)
    with pytest.raises(DataError) as caught:
        next(tensors)
    assert str(caught.value) == "cat.png: expected an image, found a dog; look again"


def faulty(number: int) -> torch.Tensor:
    return {}[number]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_ours_stays_a_fault(workers: int) -> None:
    with pytest.raises(KeyError):
        next(in_workers(faulty, 1, workers))


def dying(number: int) -> torch.Tensor:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return torch.zeros(1)


def test_a_worker_that_is_killed_is_told_where_it_is_waited_for() -> None:
    handler = signal.getsignal(signal.SIGCHLD)
    tensors = in_workers(dying, 4, 2)
    next(tensors)
    time.sleep(0.3)  # here it dies, and torch left alone would raise
    assert signal.getsignal(signal.SIGCHLD) is handler
    with pytest.raises(RequestError) as caught:
        list(tensors)
    assert re.sub("[0-9]{2,}", "PID", str(caught.value)) == (
        "--workers: expected processes that read images, and memory for them, found DataLoader worker (pid(s) PID) "
        "exited unexpectedly; look for what ended them, or lower --workers or --batch-size"
    )
    assert multiprocessing.active_children() == []


def test_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: torch.Tensor) -> None:
        raise RuntimeError("unable to allocate shared memory(shm)\nmore of it")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    with pytest.raises(RequestError) as caught:
        next(in_workers(numbered, 1, 1))
    assert str(caught.value) == (
        "--workers: expected processes that read images, and memory for them, found unable to allocate shared "
        "memory(shm); look for what ended them, or lower --workers or --batch-size"
    )


def test_workers_end_with_what_asked_for_them() -> None:
    tensors = in_workers(numbered, 100, 2)
    next(tensors)
    assert len(multiprocessing.active_children()) == 2
    tensors.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def kept_from_ctrl_c(number: int) -> torch.Tensor:
    return torch.tensor(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def test_ctrl_c_is_kept_from_workers_alone() -> None:
    assert [bool(kept) for kept in in_workers(kept_from_ctrl_c, 2, 2)] == [True, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


INTERRUPTED = """
import signal, sys, time, torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background is started without
from sltpack.data.images.workers import in_workers

def slow(number):
    time.sleep(0.05)
    return torch.zeros(1)

def run():
    for number, _ in enumerate(in_workers(slow, 10**6, 2)):
        if number == 1:
            print("running", flush=True)

try:
    run()
except KeyboardInterrupt:
    print("stopped")
"""


def test_ctrl_c_ends_everything_in_silence() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.communicate(timeout=20) == ("stopped\n", "")
    assert process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
