"""What the process that speaks with Ray makes of an order: what runs take, and how often one is begun again."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sltpack.sweep.executors.ray import submitter
from sltpack.sweep.executors.ray.node import View
from sltpack.sweep.executors.ray.submitter import Job, Order


def test_what_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0}}, {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0}}]
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(nodes=lambda: nodes))
    assert [submitter._gpus(Job(None, device), 8) for device in ("cpu", "mps", "auto")] == [0, 0, 0]
    nodes.append({"Alive": True, "Resources": {"CPU": 1.0, "GPU": 2.0}})
    assert [submitter._gpus(Job(None, device), 1) for device in ("cpu", "mps", "auto", "cuda")] == [0, 0, 1, 1]
    with pytest.raises(submitter._Refused):
        submitter._gpus(Job(None, "auto"), 2)


def test_an_order_arrives_as_it_was_given() -> None:
    order = Order("auto", 1.5, 2, View("1", "here", "runs", "token", {"a": "b"}), (Job({"folder": "a"}, "cpu"),))
    assert Order.of(json.loads(json.dumps(order.words()))) == order


def test_a_run_is_begun_again_some_times(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    told: list[tuple[object, ...]] = []
    order = Order("auto", 1, 1, View("", "", "", "", {}), (Job("a", "cpu"), Job("b", "cpu")))
    # The first is lost each time, the second once.
    left = {"a": 9, "b": 1}
    submitted: list[str] = []

    class Remote:
        def options(self, **_: Any) -> Remote:
            return self

        def remote(self, words: str, *_: Any) -> Iterator[Any]:
            submitted.append(words)
            left[words] -= 1
            return iter([("begun", None), ("lost", "gone") if left[words] >= 0 else ("ended", None)])

    monkeypatch.setattr(ray, "remote", lambda _: Remote())
    monkeypatch.setattr(ray, "wait", lambda running, **_: (running, []))
    monkeypatch.setattr(ray, "get", lambda value: value)
    submitter._Runs(order, [0, 0], lambda *words: told.append(words)).follow(threading.Event())  # type: ignore[arg-type]
    assert sorted(submitted) == ["a"] * submitter.TIMES + ["b"] * 2
    assert [words for words in told if words[0] == "ended"] == [
        ("ended", 1, None),
        ("ended", 0, f"lost on the cluster {submitter.TIMES} times, at last: gone"),
    ]
