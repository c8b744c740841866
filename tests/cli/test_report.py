"""`sltpack report` as a user calls it, over runs that are really made."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from sltpack.searching.run_folder import BEST
from sltpack_cli.main import cli

SETTINGS = ("--data", "digits", "--width", "0.125", "--epochs", "1", "--batch-size", "128", "--device", "cpu")


def sltpack(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two sweeps: sparsities with two seeds, and a search beside weight training."""
    folder = tmp_path_factory.mktemp("report") / "runs"
    for seed in (0, 1):
        for sparsity in (0.4, 0.5, 0.6):
            place = folder / "sparsity" / f"{sparsity},{seed}"
            sltpack("search", "--model", "conv2", *SETTINGS, "--sparsity", sparsity, "--seed", seed, "-o", place)
            sltpack("pack", place / BEST, "-o", place / "model.slt")
    sltpack("train", "--model", "conv2", *SETTINGS, "-o", folder / "size" / "train")
    shutil.copytree(folder / "sparsity" / "0.5,0", folder / "size" / "search")
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def test_a_report(runs: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "report.html", tmp_path / "figures"
    result = sltpack("report", runs, "-o", page, "--files", figures)
    assert result.stdout == f"{page}: 8 runs, 2 pictures\n"
    text = page.read_text("utf-8")
    assert "3 points from 6 runs: 2 seeds, 1 epoch; the bars are the standard deviation over seeds." in text
    assert {path.name for path in figures.iterdir()} == {
        "runs.csv",
        "size-bits-conv2-digits.svg",
        "sparsity-sparsity-conv2-digits.svg",
    }
    with (figures / "runs.csv").open(newline="") as stream:
        rows = {row["run"]: row for row in csv.DictReader(stream)}
    for name, row in rows.items():
        metrics = torch.load(runs / name / BEST, weights_only=True)["metrics"]
        assert float(row["test_accuracy"]) == metrics["test_accuracy"]
    ticket = runs / "sparsity" / "0.4,1" / "model.slt"
    assert int(rows["sparsity/0.4,1"]["bits"]) == 8 * ticket.stat().st_size
    assert rows["size/train"]["method"] == "trained weights"
    told = json.loads(sltpack("info", ticket, "--json").stdout)
    assert float(rows["sparsity/0.4,1"]["sparsity"]) == pytest.approx(told["sparsity"], abs=1e-9)


def test_what_is_left_out_is_told(runs: Path, tmp_path: Path) -> None:
    damaged, unfinished = runs / "sparsity" / "0.4,0", runs / "sparsity" / "0.4,1"
    (damaged / BEST).write_bytes(b"nothing")
    (unfinished / BEST).unlink()
    old = torch.load(runs / "size" / "train" / BEST, weights_only=True)
    torch.save({**old, "version": 99}, runs / "size" / "train" / BEST)
    lines = sltpack("report", runs, "-o", tmp_path / "report.html").stdout.splitlines()
    assert lines[-1] == f"{tmp_path / 'report.html'}: 5 runs, 2 pictures"
    assert [line.partition(": expected")[0] for line in lines[:-1]] == [
        f"left out: size/train: {runs / 'size' / 'train' / BEST}",
        f"left out: sparsity/0.4,0: {damaged / BEST}",
        "left out: sparsity/0.4,1: not finished",
    ]
    assert "found version 99" in lines[0]
    assert "<li>sparsity/0.4,1: not finished</li>" in (tmp_path / "report.html").read_text("utf-8")


def refused(*words: object, status: int = 2) -> str:
    lines = sltpack("report", *words, status=status).stderr.splitlines()
    assert len(lines) == 1
    return lines[0].removeprefix("Error: ")


def test_an_empty_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty, "-o", tmp_path / "a.html") == (
        f"{empty}: expected at least one finished run of sltpack search, train or sweep, found none; "
        "make one, or let it go on to its end"
    )
    assert not (tmp_path / "a.html").exists()


def test_unfinished_runs_alone(runs: Path, tmp_path: Path) -> None:
    place = runs / "size" / "train"
    (place / BEST).unlink()
    assert refused(place, "-o", tmp_path / "a.html") == (
        f"{place}: expected at least one finished run of sltpack search, train or sweep, found 1 that is not; "
        "train: not finished; make one, or let it go on to its end"
    )


def test_no_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "none", "-o", tmp_path / "a.html") == (
        f"{tmp_path / 'none'}: expected a folder of runs, found no such file or directory; check the name"
    )


def test_nothing_is_overwritten(runs: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "a.html", tmp_path / "figures"
    page.write_text("mine")
    line = f"{page}: expected a name that is free, found a file of that name; choose another name or pass --force"
    assert refused(runs / "size", "-o", page) == line
    assert page.read_text() == "mine"
    figures.mkdir()
    (figures / "runs.csv").write_text("mine")
    assert refused(runs / "size", "-o", tmp_path / "b.html", "--files", figures).startswith(f"{figures / 'runs.csv'}: ")
    assert [path.name for path in figures.iterdir()] == ["runs.csv"]
    assert not (tmp_path / "b.html").exists()
    sltpack("report", runs / "size", "-o", page, "--files", figures, "--force")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert (figures / "runs.csv").read_text().startswith("run,")


def test_a_page_that_cannot_be_written(runs: Path, tmp_path: Path) -> None:
    assert refused(runs / "size", "-o", tmp_path / "none" / "a.html", status=1).startswith(f"{tmp_path / 'none'}")


def test_places_are_checked_before_anything_is_written(runs: Path, tmp_path: Path) -> None:
    long = "x" * 300
    for words in (("-o", tmp_path / long), ("-o", tmp_path / "a.html", "--files", tmp_path / long)):
        assert "name" in refused(runs / "size", *words, status=1)
        assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert refused(runs, "-o", tmp_path, "--force").startswith(f"{tmp_path}: expected a name that is free")


def test_without_jinja2(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert refused(runs, "-o", tmp_path / "a.html") == (
        "sltpack report: expected the package jinja2, found none; install it: pip install 'sltpack[figures]'"
    )


def test_without_matplotlib(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert refused(runs, "-o", tmp_path / "a.html") == (
        "sltpack report: expected the package matplotlib, found none; install it: pip install 'sltpack[figures]'"
    )


def test_a_network_with_buffers(tmp_path: Path) -> None:
    """Whose ticket says more of itself than its checkpoint does."""
    place = tmp_path / "runs" / "resnet"
    few = ("--data", "digits", "--width", "0.0625", "--epochs", "1", "--batch-size", "512", "--device", "cpu")
    sltpack("search", "--model", "resnet18", *few, "-o", place)
    sltpack("pack", place / BEST, "-o", place / "model.slt")
    page = tmp_path / "report.html"
    result = sltpack("report", tmp_path / "runs", "-o", page, "--files", tmp_path / "files")
    assert result.stdout == f"{page}: 1 run, 1 picture\n"
    (row,) = csv.DictReader((tmp_path / "files" / "runs.csv").read_text().splitlines())
    assert int(row["bits"]) == 8 * (place / "model.slt").stat().st_size
