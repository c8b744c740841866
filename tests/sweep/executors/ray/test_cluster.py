"""A sweep on a cluster of Ray that is started on this machine, and what becomes of it when a worker is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from sltpack.checkpoints.reading import load
from sltpack.searching.run_folder import BEST, METRICS
from sltpack_cli.main import cli

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray, an extra, is not installed")
needs_proc = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are looked up in /proc")

PLAN = """
[fixed]
model = "conv2"
width = 0.125
data = "digits"
epochs = 60
batch-size = 32
precision = "float32"
device = "cpu"
[axes]
seed = [0]
"""
RUN = "seed=0"
ALONE = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


def free_port() -> int:
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        return int(here.getsockname()[1])


def this_machine() -> str:
    """The address that Ray has this machine by: the one that it would reach the world from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        try:
            here.connect(("8.8.8.8", 80))
        except OSError:
            return "127.0.0.1"
        return str(here.getsockname()[0])


def start_sweep(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sltpack", "sweep", "plan.toml", "-o", "runs", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=ALONE, stdin=subprocess.DEVNULL, **pipes)  # type: ignore[call-overload,no-any-return]


def ended(sweep: subprocess.Popen[bytes], status: int = 0) -> tuple[str, str]:
    out, err = sweep.communicate(timeout=240)
    assert sweep.returncode == status, (out, err)
    return out.decode(), err.decode()


def wait_for(condition: object, sweep: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        assert sweep.poll() is None, sweep.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def workers(folder: Path) -> dict[int, int]:
    """The processes of runs that work in a folder, each with the process that started it."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
            if b"sltpack.sweep.executors.worker" in command and (place / "cwd").resolve() == folder.resolve():
                found[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


@pytest.fixture
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node that this test starts and ends."""
    address = f"{this_machine()}:{free_port()}"
    words = ["start", "--head", "--block", f"--port={address.rpartition(':')[2]}", "--num-cpus=2", "--num-gpus=0"]
    words += ["--include-dashboard=false", "--object-store-memory=80000000"]
    code = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    cluster = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *words],
        env=ALONE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield address
    cluster.send_signal(signal.SIGTERM)
    try:
        cluster.wait(30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(cluster.pid, signal.SIGKILL)
        cluster.wait()


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


@needs_ray
@needs_proc
def test_a_killed_worker_loses_nothing_and_the_cluster_stays(folder: Path, head: str) -> None:
    alone = folder / "alone"
    alone.mkdir()
    (alone / "plan.toml").write_text(PLAN)
    ended(start_sweep(alone))

    until = time.monotonic() + 90
    while not answers(head):
        assert time.monotonic() < until
        time.sleep(0.1)
    metrics = folder / "runs" / RUN / METRICS

    stopped = start_sweep(folder, "--ray", head)
    wait_for(lambda: lines(metrics) >= 1, stopped)
    stopped.send_signal(signal.SIGINT)
    _, err = ended(stopped, status=130)
    assert err == "runs: stopped by Ctrl-C with 0 finished of 1 runs; the same command goes on\n"
    assert workers(folder) == {}
    before = lines(metrics)
    assert before < 60  # it did not go on until patience was at an end

    sweep = start_sweep(folder, "--ray", head)
    wait_for(lambda: lines(metrics) > before, sweep)
    ((worker, ray_process),) = workers(folder).items()
    assert b"ray::" in Path(f"/proc/{ray_process}/cmdline").read_bytes()
    os.kill(ray_process, signal.SIGKILL)
    reached = lines(metrics)
    assert reached < 60  # it was in the middle
    wait_for(lambda: worker not in workers(folder), sweep)  # the run ends with the worker of Ray that started it
    out, err = ended(sweep)
    assert err == ""
    assert f"{RUN}: validation accuracy" in out
    assert lines(metrics) == 60
    ours, theirs = (load(place / "runs" / RUN / BEST) for place in (folder, alone))
    assert torch.equal(ours.scores, theirs.scores)
    assert ours.metrics == theirs.metrics
    assert (folder / "runs" / RUN / "model.slt").read_bytes() == (alone / "runs" / RUN / "model.slt").read_bytes()
    assert workers(folder) == {}
    assert answers(head)


@needs_ray
def test_one_of_this_machine_alone_tells_what_is_broken(folder: Path) -> None:
    (folder / "plan.toml").write_text(PLAN.replace("epochs = 60", "epochs = 1"))
    (folder / "runs" / RUN).mkdir(parents=True)
    (folder / "runs" / RUN / METRICS).mkdir()
    out, err = ended(start_sweep(folder, "--ray", "local", "--json", "--quiet"), status=1)
    (broken,) = json.loads(out)["broken"]
    assert broken["name"] == RUN
    assert METRICS in broken["fault"]
    assert err.splitlines() == [
        f"Error: runs: expected 1 finished runs, found 1 broken; {RUN}: {broken['fault']}; "
        "the same command repeats what is broken, from the start where its folder is removed"
    ]


def refused(folder: Path, *words: str, status: int) -> str:
    words = ("sweep", str(folder / "plan.toml"), "-o", str(folder / "runs"), *words)
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == status, result.output
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


@needs_ray
def test_nobody_answers(folder: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert refused(folder, "--ray", address, status=1) == (
        f"--ray {address}: expected a cluster of Ray that answers, found connection refused; "
        "start the cluster (ray start), or check the address"
    )


@needs_ray
@pytest.mark.parametrize("address", ["nowhere", "", "host:", "host:0", "host:99999", "ray://host:10001", "host:x"])
def test_no_address(folder: Path, address: str) -> None:
    assert refused(folder, "--ray", address, status=2) == (
        f"--ray: expected auto, local or HOST:PORT, found {address!r}; give the address that ray start has told"
    )


def test_jobs_are_the_clusters(folder: Path) -> None:
    assert refused(folder, "--ray", "auto", "--jobs", "2", status=2) == (
        "--jobs: expected none with --ray, whose cluster says how many runs there is room for, found 2; "
        "leave one of them out"
    )


@needs_ray
@pytest.mark.parametrize("said", ["", "0", "two", "-1", "1.5"])
def test_no_number_of_threads(folder: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert refused(folder, "--ray", "auto", status=2) == (
        "OMP_NUM_THREADS: expected a whole number of at least 1, the CPUs of each run, "
        f"found {said!r}; set it to one, or to none for one CPU"
    )


def test_without_ray(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refused(folder, "--ray", "auto", status=2) == (
        "--ray: expected the package ray, found none; install it: pip install 'sltpack[ray]'"
    )


def test_a_second_sweep_in_the_folder_is_refused(folder: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    from sltpack.locks import locked

    (folder / "runs").mkdir()
    with locked(folder / "runs"):
        assert refused(folder, status=2).startswith(
            f"{folder / 'runs'}: expected a folder that nothing else works in, "
        )
