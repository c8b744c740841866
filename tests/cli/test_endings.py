"""How commands end whose output, memory, folder or time is somebody else's too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sltpack.locks import LOCK, locked
from sltpack.searching.run_folder import BEST, LAST, LOG, METRICS

FULL = Path("/dev/full")
SPACE = (
    "Error: standard output: expected a place that can be written, found no space left on device; check its name, its "
    "permissions and the free space\n"
)
SEARCH = ("search", "--model", "conv2", "--width", "0.125", "--data", "digits", "--device", "cpu")
TRAIN = ("train", *SEARCH[1:])


def started(*words: object, **how: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sltpack", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.mark.skipif(not FULL.exists(), reason="no such device on this system")
@pytest.mark.parametrize("words", [("--help",), ("--version",), ("info", "--help"), ("info", "gin-cora", "--json")])
def test_a_full_disk_takes_no_output(words: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        process = started(*words, stdout=full)
        assert process.communicate() == (None, SPACE)
    assert process.returncode == 1


@pytest.mark.skipif(not FULL.exists(), reason="no such device on this system")
def test_a_full_disk_takes_no_errors_either() -> None:
    with FULL.open("w") as full:
        process = started("info", "nosuch", stderr=full)
        assert process.communicate() == ("", None)
    assert process.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="pipes end otherwise there")
@pytest.mark.parametrize(
    "words", [("--help",), ("info", "--help"), ("info", "gin-cora"), ("info", "gin-cora", "--json")]
)
def test_whoever_reads_may_have_read_enough(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = started(*words, stdout=write)
    os.close(write)
    assert process.communicate() == (None, "")
    assert process.returncode == 141


@pytest.mark.skipif(os.name != "posix", reason="shells of this kind")
def test_standard_output_may_be_closed() -> None:
    ended = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m sltpack info gin-cora >&-"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
def test_too_little_memory_for_torch() -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (300_000 << 10, 300_000 << 10))

    process = started("infer", "gin-cora", "--data", "cora", preexec_fn=limit)
    out, told = process.communicate()
    assert (out, process.returncode) == ("", 1)
    assert told.startswith("Error: a library: expected one that can be loaded, found ")
    assert told.endswith("; check the installation, and that the memory is not limited (ulimit -v)\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("words", [SEARCH, TRAIN])
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_two_in_one_folder(tmp_path: Path, words: tuple[str, ...], resume: tuple[str, ...]) -> None:
    with locked(tmp_path):
        before = (tmp_path / LOCK).read_bytes()
        process = started(*words, "-o", tmp_path, *resume)
        out, told = process.communicate()
        assert (out, process.returncode) == ("", 2)
        assert told == (
            f"Error: {tmp_path}: expected a folder that nothing else works in, found another search, training or sweep "
            "at work there; wait for its end, or choose another folder\n"
        )
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(LOCK, before)]


@pytest.mark.parametrize("name", [BEST, LAST, LOG, METRICS, LOCK])
def test_a_run_writes_through_no_link(tmp_path: Path, name: str) -> None:
    mine, run = tmp_path / "mine", tmp_path / "run"
    run.mkdir()
    for content in (b"precious", None):
        mine.write_bytes(content) if content is not None else mine.unlink()
        if not (run / name).is_symlink():
            (run / name).symlink_to(mine)
        process = started(*SEARCH, "--epochs", "1", "-o", run, "--resume")
        out, told = process.communicate()
        assert (out, process.returncode, told.count("\n")) == ("", 1 if name == LOCK else 2, 1)
        assert f"{run / name}: expected " in told and ", found a link; " in told
        assert (mine.read_bytes() if mine.exists() else None) == content


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals on this system")
@pytest.mark.parametrize(("kind", "name"), [("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP"), ("SIGINT", "Ctrl-C")])
def test_signals_stop_a_search_with_one_line(tmp_path: Path, kind: str, name: str) -> None:
    number = getattr(signal, kind)
    process = started(
        *SEARCH,
        "--epochs",
        "5000",
        "-o",
        tmp_path,
        preexec_fn=lambda: (
            signal.signal(number, signal.default_int_handler)
            if kind == "SIGINT"
            else signal.signal(number, signal.SIG_DFL)
        ),
    )
    metrics = tmp_path / METRICS
    while not (metrics.exists() and metrics.read_bytes()) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    if kind != "SIGINT":
        process.send_signal(number)  # as schedulers do
    out, told = process.communicate()
    assert (out, process.returncode) == ("", 128 + number)
    epochs = len(metrics.read_text().splitlines())
    assert told.splitlines(keepends=True)[-1] == (
        f"{tmp_path}: stopped by {name} after {epochs} of 5000 epochs; ckpt.pt holds the best so far; the same command "
        "with --resume goes on\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([LOCK, BEST, LAST, LOG, METRICS])
