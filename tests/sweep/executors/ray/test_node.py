"""What a node of a cluster looks at before it makes a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sltpack import __version__
from sltpack.errors import SltpackError
from sltpack.locks import locked, token_of
from sltpack.sweep.executors.ray import node
from sltpack.sweep.executors.ray.node import View, make


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> View:
    """What a node sees that is the sweep's own machine."""
    monkeypatch.setattr(node, "_PATIENCE", 0.0)
    runs = tmp_path / "runs"
    runs.mkdir()
    with locked(runs):
        return View(__version__, str(tmp_path), str(runs), token_of(runs), {})


def test_the_same_is_seen(view: View) -> None:
    view.require("here")


def test_another_version(view: View) -> None:
    with pytest.raises(SltpackError) as caught:
        replace(view, version="9.9").require("there")
    assert str(caught.value) == (
        f"node there: expected sltpack 9.9, as the sweep is, found {__version__}; install the same version on all nodes"
    )


REMEDY = "use a folder on a file system that all nodes see by one name"


def test_no_working_folder(view: View) -> None:
    with pytest.raises(SltpackError) as caught:
        replace(view, folder=f"{view.folder}/none").require("there")
    assert str(caught.value) == (
        f"node there: expected the sweep's working folder, {view.folder}/none, found none; {REMEDY}"
    )


@pytest.mark.parametrize(("runs", "found"), [("runs", "another one"), ("none", "none")])
def test_another_folder_of_runs(view: View, runs: str, found: str) -> None:
    place = f"{view.folder}/{runs}"
    other = replace(view, runs=place, token="0" * 32)
    with pytest.raises(SltpackError) as caught:
        other.require("there")
    message = f"node there: expected the sweep's folder of runs, {place}, found {found}; {REMEDY}"
    assert str(caught.value) == message
    assert list(make({}, other, "there", 1, False)) == [("begun", None), ("ended", message)]


def test_a_run_that_fails_is_told(view: View) -> None:
    told = {"folder": f"{view.runs}/one", "commands": [["info", "nowhere.slt"]]}
    begun, (kind, fault) = make(told, view, "here", 1, False)
    assert (begun, kind) == (("begun", None), "ended")
    assert fault is not None and fault.startswith("nowhere.slt: expected")


def test_a_run_that_ends_well_has_no_fault(view: View) -> None:
    told = {"folder": f"{view.runs}/one", "commands": [["info", "conv6-cifar10"]]}
    assert list(make(told, view, "here", 1, False)) == [("begun", None), ("ended", None)]


def test_a_run_ends_with_ray_on_its_node(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[object] = []
    monkeypatch.setattr(node, "Process", lambda *_: SimpleNamespace(ended=False))
    monkeypatch.setattr(node, "stop", stopped.extend)
    parents = iter([10, 10, 10, 1])
    monkeypatch.setattr(node.os, "getppid", lambda: next(parents))
    assert list(make({}, view, "n", 1, False))[1:] == [("lost", "Ray has ended on node n")]
    assert len(stopped) == 1


@pytest.mark.parametrize("has_gpu", [False, True])
def test_the_surroundings_of_a_run(view: View, monkeypatch: pytest.MonkeyPatch, has_gpu: bool) -> None:
    started: list[tuple[Any, ...]] = []

    class Noted:
        ended = True

        def __init__(self, *given: Any) -> None:
            started.append(given)

        def fault(self) -> str | None:
            return "why"

    monkeypatch.setattr(node, "Process", Noted)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    monkeypatch.setenv("OWN", "kept")
    seen = replace(view, variables={"SLTPACK_DATA_DIR": "data"})
    assert list(make("told", seen, "n", 3, has_gpu)) == [("begun", None), ("ended", "why")]
    ((module, told, environment, folder),) = started
    assert (module, told, str(folder)) == ("worker", "told", view.folder)
    names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SLTPACK_DATA_DIR", "OWN")
    assert [environment[name] for name in names] == ["3", "5" if has_gpu else "", "data", "kept"]
