"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sltpack.data.dataset import DataSet
from sltpack.errors import OutputError, RequestError
from sltpack.format.records import Source
from sltpack.searching import keeper
from sltpack.searching.events import Events, _next_name
from sltpack.searching.run_folder import METRICS
from sltpack.searching.runner import search
from sltpack.searching.settings import Settings
from sltpack.stopping import Stopped

SourceMaker = Callable[..., Source]
SETTINGS = Settings(sparsity=0.5, epochs=3, batch_size=32, precision="float32")
CPU = torch.device("cpu")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a folder: values by name and epoch."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_the_event_file_has_what_was_measured(few_digits: DataSet, small_source: SourceMaker, tmp_path: Path) -> None:
    found = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, tensorboard=True)
    shown = scalars(tmp_path)
    assert set(shown) == {"loss", "train_accuracy", "validation_accuracy", "rate"}
    best = {entry["epoch"]: entry for entry in found.metrics["history"]}
    assert best
    for name, values in shown.items():
        assert [epoch for epoch, _ in values] == [1, 2, 3]
        for epoch, value in values:
            if epoch in best:
                assert value == pytest.approx(best[epoch][name], rel=1e-6)


def test_a_resumed_run_goes_on_in_its_curves(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: Path, history: list[dict[str, float]]) -> None:
        if len(history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "write_metrics", stopped)
        with pytest.raises(Stopped):
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, tensorboard=True)
    search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, tensorboard=True, resume=True)
    assert [epoch for epoch, _ in scalars(tmp_path)["loss"]] == [1, 2, 3]


def test_a_clock_that_was_set_back_loses_no_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = [{"epoch": epoch, "loss": float(epoch)} for epoch in (1, 2, 3)]
    now = [1_700_000_000 * 10**9]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    for start in range(3):
        events = Events(tmp_path, measured[:start])
        events.add(measured[start])
        now[0] -= 3600 * 10**9
    assert scalars(tmp_path)["loss"] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("last", ["9999999999.000000001.sltpack", "1700000000.host.12.0", "zebra"])
def test_a_name_follows_any_other(last: str) -> None:
    names = [f"events.out.tfevents.{name}" for name in ("0000000001.host", last)]
    for _ in range(3):
        names.append(_next_name(names, 10**9))
        assert names[-1] == max(names) != names[-2]


def test_no_event_file_unless_it_is_asked_for(run: tuple[Path, object]) -> None:
    assert not list(run[0].glob("events*"))
    assert (run[0] / METRICS).exists()


def test_without_tensorboard_nothing_is_begun(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path / "run", device=CPU, tensorboard=True)
    assert str(caught.value) == (
        "--tensorboard: expected the package tensorboard, found none; install it: pip install 'sltpack[tensorboard]'"
    )
    assert not (tmp_path / "run").exists()


def test_a_disk_without_room_is_one_error(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))  # the system refuses to let a file grow beyond it
    try:
        events = Events(tmp_path, [])
        with pytest.raises(OutputError) as caught:
            for epoch in range(1, 100):
                events.add({"epoch": epoch, "loss": 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (path,) = tmp_path.iterdir()
    assert str(caught.value) == (
        f"{path}: expected a place that can be written, found file too large; "
        "make room, or leave --tensorboard out; --resume goes on"
    )
