"""Runs as they lie on the disk: found, read, or left out with a reason."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sltpack import save
from sltpack.checkpoints.records import Checkpoint
from sltpack.checkpoints.results import TICKET
from sltpack.errors import RequestError
from sltpack.format.records import MAX_WEIGHTS
from sltpack.report.groups import Report, sections_of
from sltpack.report.reports import drawn, report_on
from sltpack.report.runs import LeftOut, Run, find, read
from sltpack.searching.run_folder import BEST, LAST, METRICS, read_accuracies


@pytest.fixture
def folder(tmp_path: Path, run: tuple[Path, Checkpoint]) -> Path:
    """A folder with a run and its ticket, two folders deep."""
    place = tmp_path / "runs" / "sweep" / "one"
    shutil.copytree(run[0], place)
    save(run[1].ticket(), place / TICKET)
    return tmp_path / "runs"


def only(folder: Path) -> Run | LeftOut:
    (place,) = find(folder).runs
    return read(place, folder, MAX_WEIGHTS)


def test_a_run(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    found = only(folder)
    kept = run[1]
    assert isinstance(found, Run)
    assert (found.name, found.section) == ("sweep/one", "sweep")
    shown = (
        "data",
        "model",
        "method",
        "init",
        "scale",
        "ratios",
        "freeze",
        "prune",
        "lock",
        "sparsity",
        "width",
        "epochs",
    )
    assert [found.traits[name] for name in shown] == [
        *("digits", "conv2", "edge-popup", "skc", "layer", "epl"),
        *(0.5, 0.25, 0.25, 0.5, 0.125, 2),
    ]
    assert not any(name.endswith(("seed", "sha256")) or name in ("date", "sltpack") for name in found.traits)
    assert found.seeds == {
        **dict.fromkeys(("seed", "split_seed", "order_seed", "augmentation_seed", "score_seed"), 0),
        "weights_seed": 3,
        "freezing_seed": 4,
    }
    size = kept.source.size
    assert found.result.searched == kept.source.searched
    assert found.result.sparsity == 1 - (kept.source.locked + kept.kept) / size
    assert found.result.test_accuracy == kept.metrics["test_accuracy"]
    assert found.result.bits == 8 * (folder / "sweep" / "one" / TICKET).stat().st_size
    assert len(found.curve) == 2


def test_the_curve_is_of_all_epochs(folder: Path) -> None:
    lines = [json.dumps({"epoch": epoch, "validation_accuracy": epoch / 10}) for epoch in (1, 2, 3)]
    (folder / "sweep" / "one" / METRICS).write_text("\n".join(lines))
    found = only(folder)
    assert isinstance(found, Run)
    assert found.curve == (0.1, 0.2, 0.3)


@pytest.mark.parametrize("content", ["", "{", '{"epoch": 1}', '[{"validation_accuracy": NaN}]', "[" * 10_000, "\x00"])
def test_a_damaged_curve_is_that_of_the_checkpoint(folder: Path, content: str) -> None:
    (folder / "sweep" / "one" / METRICS).write_text(content)
    found = only(folder)
    assert isinstance(found, Run)
    assert found.curve


def test_without_a_ticket(folder: Path) -> None:
    (folder / "sweep" / "one" / TICKET).unlink()
    found = only(folder)
    assert isinstance(found, Run)
    assert found.result.bits is None


def test_another_ticket(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    path = folder / "sweep" / "one" / TICKET
    (first, *_), kept = run[1].planes["kept"].nonzero(), run[1].planes["kept"].clone()
    kept[first] = False
    other = replace(run[1], planes={"kept": kept})
    save(other.ticket(), path, force=True)
    assert only(folder) == LeftOut(
        "sweep/one",
        f"{path}: expected the ticket of the checkpoint beside it, found another; pack the checkpoint again "
        "(sltpack pack --force)",
    )


def test_not_finished(folder: Path) -> None:
    (folder / "sweep" / "one" / BEST).unlink()
    assert only(folder) == LeftOut("sweep/one", "not finished")


def test_not_tested(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    metrics = {name: value for name, value in run[1].metrics.items() if name != "test_accuracy"}
    replace(run[1], metrics=metrics).save(folder / "sweep" / "one" / BEST)
    assert only(folder) == LeftOut("sweep/one", "not finished")


def test_damaged(folder: Path) -> None:
    path = folder / "sweep" / "one" / BEST
    path.write_bytes(path.read_bytes()[:1000])
    found = only(folder)
    assert isinstance(found, LeftOut)
    assert found.reason.startswith(f"{path}: expected ")


@pytest.mark.parametrize("name", [5, None])
def test_a_run_with_a_setting_whose_name_is_no_text_is_left_out(
    folder: Path, run: tuple[Path, Checkpoint], name: object
) -> None:
    damaged = folder / "sweep" / "two"
    shutil.copytree(folder / "sweep" / "one", damaged)
    replace(run[1], settings={**run[1].settings, name: 1}).save(damaged / BEST)
    good, left = (read(place, folder, MAX_WEIGHTS) for place in find(folder).runs)
    assert isinstance(good, Run)
    assert left == LeftOut(
        "sweep/two",
        f"{damaged / BEST}: settings: expected texts as names, found {name!r}; make one with sltpack search or train",
    )


def test_the_folder_of_a_run_itself(folder: Path) -> None:
    place = folder / "sweep" / "one"
    assert find(place).runs == (place,)
    found = read(place, place, MAX_WEIGHTS)
    assert isinstance(found, Run)
    assert (found.name, found.section) == ("one", "")


def test_folders_are_found_in_order_and_links_not_followed(folder: Path) -> None:
    for name in ("b", "a/c"):
        (folder / name).mkdir(parents=True)
        (folder / name / LAST).touch()
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    assert [path.relative_to(folder).as_posix() for path in find(folder).runs] == ["a/c", "b", "sweep/one"]


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError) as caught:
        find(tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: expected a folder of runs, found no such file or directory; check the name"
    )
    with pytest.raises(RequestError, match="not a directory"):
        find(tmp_path / "file")


@pytest.mark.parametrize("accuracy", [float("nan"), float("inf"), -0.1, 1.5, "0.5", 1])
def test_what_is_no_accuracy(folder: Path, run: tuple[Path, Checkpoint], accuracy: object) -> None:
    path = folder / "sweep" / "one" / BEST
    replace(run[1], metrics={**run[1].metrics, "test_accuracy": accuracy}).save(path)
    assert only(folder) == LeftOut(
        "sweep/one",
        f"{path}: metrics: expected test_accuracy, a number from 0 to 1, found {accuracy!r}; "
        "make one with sltpack search or train",
    )


def test_what_was_not_measured_is_not_finished(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    replace(run[1], metrics={**run[1].metrics, "test_accuracy": None}).save(folder / "sweep" / "one" / BEST)
    assert only(folder) == LeftOut("sweep/one", "not finished")


def test_what_strangers_write_can_be_sorted_and_drawn(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    strange = {
        "data": "a\udc80\x1b[31m" + "x" * 1000,
        "sparsity": "much",
        "epochs": "many",
        "batch_size": 10**76,
        "method": 3,
        "seed": 10**30,
        "order_seed": "first",
        "foo": ["x", "y"],
        "\udc80": 1,
        "\udc80_seed": 1,
    }
    replace(run[1], settings={**run[1].settings, **strange}).save(folder / "sweep" / "one" / BEST)
    (folder / "sweep" / "one" / TICKET).unlink()
    found = only(folder)
    assert isinstance(found, Run)
    assert all(len(str(value)) <= 120 for value in found.traits.values())
    assert not {"order_seed", "seed"} & set(found.seeds)
    whole = drawn(Report("runs", sections_of([found]), ()))
    assert whole.page(datetime.date(2026, 11, 28)).encode()
    assert len(whole.files()) == 2


def test_what_the_source_says_is_not_what_a_stranger_says(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    before = only(folder)
    strange = {"model": "resnet18", "init": "ku", "prune": 0.9, "freeze": 0.9, "scale": "none", "ratios": "erk"}
    replace(run[1], settings={**run[1].settings, **strange}).save(folder / "sweep" / "one" / BEST)
    (folder / "sweep" / "one" / TICKET).unlink()
    after = only(folder)
    assert isinstance(before, Run) and isinstance(after, Run)
    assert after.traits == before.traits


def test_data_that_somebody_brought_are_told_apart(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    (folder / "sweep" / "one" / TICKET).unlink()
    names = []
    for digest in ("1" * 64, "2" * 64):
        brought = {**run[1].settings, "data": "folder", "test_sha256": digest}
        replace(run[1], settings=brought).save(folder / "sweep" / "one" / BEST)
        found = only(folder)
        assert isinstance(found, Run)
        names.append(found.traits["data"])
    assert names == ["folder 11111111", "folder 22222222"]


def test_a_copy_is_no_other_seed(folder: Path) -> None:
    shutil.copytree(folder / "sweep" / "one", folder / "sweep" / "two")
    shutil.copytree(folder / "sweep", folder / "other")
    report = report_on(find(folder), MAX_WEIGHTS, lambda: None)
    assert [len(section.runs) for section in report.sections] == [1, 1]
    assert report.left_out == (
        LeftOut("other/two", "the same settings and seeds as other/one"),
        LeftOut("sweep/two", "the same settings and seeds as sweep/one"),
    )


@pytest.mark.parametrize("number", ["1" + "0" * 400, "NaN", "Infinity"])
def test_numbers_that_no_float_can_be(folder: Path, number: str) -> None:
    path = folder / "sweep" / "one" / METRICS
    path.write_text(f'{{"epoch": 1, "loss": {number}, "validation_accuracy": 0.5}}\n')
    assert isinstance(only(folder), Run)


@contextmanager
def _deep(folder: Path, name: str, levels: int) -> Iterator[None]:
    """Make folders within each other, of a path that may be longer than the system takes in one call."""
    before = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(levels):
            os.mkdir(name)
            os.chdir(name)
        os.chdir(before)
        yield
    finally:  # some libraries would remove them by recursion
        os.chdir(folder)
        for _ in range(levels):
            os.chdir(name)
        for _ in range(levels):
            os.chdir("..")
            os.rmdir(name)
        os.chdir(before)


@pytest.mark.skipif(os.name == "nt", reason="paths there are shorter")
def test_folders_within_each_other_as_deep_as_they_may_be(folder: Path) -> None:
    with _deep(folder, "n", 1500):
        assert find(folder).runs == (folder / "sweep" / "one",)


@pytest.mark.skipif(os.name == "nt", reason="paths there are shorter")
def test_a_folder_that_cannot_be_read_is_named_and_left_out(folder: Path) -> None:
    with _deep(folder, "n" * 200, 25):
        places = find(folder)
    assert places.runs == (folder / "sweep" / "one",)
    (left,) = places.unreadable
    assert left.name.startswith("n" * 200 + "/")
    assert left.reason == "a folder that cannot be read: file name too long"
    report = report_on(places, MAX_WEIGHTS, lambda: None)
    assert report.left_out == places.unreadable
    assert len(report.sections) == 1


def test_a_curve_beyond_the_limits_is_that_of_the_checkpoint(folder: Path) -> None:
    path = folder / "sweep" / "one" / METRICS
    before = only(folder)
    assert isinstance(before, Run)
    path.write_text('{"epoch": 1, "validation_accuracy": 0.5}\n' * 9)
    kept = before.curve[:1]  # all that the checkpoint of the best epoch knows
    for most, curve in ((9, (0.5,) * 9), (8, kept)):
        found = read(folder / "sweep" / "one", folder, MAX_WEIGHTS, most)
        assert isinstance(found, Run)
        assert found.curve == curve
    path.write_text('{"epoch": 1, "validation_accuracy": 0.5' + " " * 5000 + "}\n")
    found = only(folder)
    assert isinstance(found, Run) and found.curve == kept


def test_a_long_curve_takes_little_memory(folder: Path) -> None:
    path = folder / "sweep" / "one" / METRICS
    path.write_text('{"epoch": 1, "loss": 0.25, "validation_accuracy": 0.5}\n' * 20_000)
    tracemalloc.start()
    try:
        assert len(read_accuracies(path.parent)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size
    finally:
        tracemalloc.stop()


def test_settings_under_a_key_that_is_no_text(folder: Path, run: tuple[Path, Checkpoint]) -> None:
    place = folder / "sweep" / "one"
    shutil.copytree(place, folder / "sweep" / "two")
    strange: Any = {**run[1].settings, 7: 1}
    replace(run[1], settings=strange).save(place / BEST)
    report = report_on(find(folder), MAX_WEIGHTS, lambda: None)
    (left,) = report.left_out
    assert left.name == "sweep/one"
    assert "settings: expected texts as names, found 7" in left.reason
