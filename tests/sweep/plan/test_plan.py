"""Plans: what a TOML file says, what is taken over by its grids, and what is refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from sltpack.errors import LimitError, RequestError, SltpackError
from sltpack.limits import PLAN_BYTES
from sltpack.sweep.plan import bundled as plans
from sltpack.sweep.plan.files import Axis, Limits, Option, Value, read, value_of
from sltpack.sweep.plan.points import points_of

NUMBER = Option("a number", lambda value: type(value) in (int, float))
TEXT = Option("a text", lambda value: isinstance(value, str))
FLAG = Option("true or false", lambda value: isinstance(value, bool))
TRAINING = {"model": TEXT, "width": NUMBER, "seed": NUMBER, "compile": FLAG}
COMMANDS = {"search": {**TRAINING, "prune": NUMBER, "lock": NUMBER, "ratios": TEXT}, "train": TRAINING}
REMEDY = "correct the plan as docs/sweep.md says"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "plan.toml"
    path.write_text(text, "utf-8")
    return str(path)


def names(tmp_path: Path, text: str, changes: Mapping[str, object] = MappingProxyType({})) -> list[str]:
    return [point.name for point in points_of(read(written(tmp_path, text), COMMANDS, list(changes.items())))]


def refusal(tmp_path: Path, text: str, changes: Mapping[str, object] = MappingProxyType({})) -> str:
    """Gives the sentence that a plan is refused with, without the name of its file."""
    with pytest.raises(SltpackError) as caught:
        names(tmp_path, text, changes)
    return str(caught.value).removeprefix(f"{tmp_path / 'plan.toml'}: ")


def test_what_is_fixed_and_what_varies(tmp_path: Path) -> None:
    text = """
    about = "why"
    [fixed]
    model = "conv2"
    compile = true
    [axes]
    "prune:lock" = [[0.1, 0.4], [0.4, 0.1]]
    ratios = ["epl", "erk"]
    """
    plan = read(written(tmp_path, text), COMMANDS)
    (grid,) = plan.grids
    assert plan.about == "why"
    assert (grid.command, grid.name, grid.fixed) == ("search", "", {"model": "conv2", "compile": True})
    assert grid.axes == (Axis(("prune", "lock"), ((0.1, 0.4), (0.4, 0.1))), Axis(("ratios",), (("epl",), ("erk",))))
    points = points_of(plan)
    assert [point.name for point in points] == [
        "prune=0.1,lock=0.4,ratios=epl",
        "prune=0.1,lock=0.4,ratios=erk",
        "prune=0.4,lock=0.1,ratios=epl",
        "prune=0.4,lock=0.1,ratios=erk",
    ]
    assert points[1].options == {"model": "conv2", "compile": True, "prune": 0.1, "lock": 0.4, "ratios": "erk"}


def test_a_grid_takes_over_what_it_does_not_say_itself(tmp_path: Path) -> None:
    text = """
    [fixed]
    model = "conv2"
    width = 0.5
    [axes]
    seed = [0, 1]
    [[grid]]
    [grid.axes]
    width = [1, 2.0]
    [[grid]]
    command = "train"
    [grid.fixed]
    seed = 7
    [[grid]]
    name = "other"
    fixed = { compile = false, seed = 1 }
    """
    plan = read(written(tmp_path, text), COMMANDS)
    assert [point.name for point in points_of(plan)] == [
        *("width=1,seed=0", "width=1,seed=1", "width=2,seed=0", "width=2,seed=1"),
        "train",
        "other",
    ]
    assert [dict(point.options) for point in points_of(plan)][-3:] == [
        {"model": "conv2", "width": 2.0, "seed": 1},
        {"model": "conv2", "width": 0.5, "seed": 7},
        {"model": "conv2", "width": 0.5, "seed": 1, "compile": False},
    ]


def test_a_plan_without_axes_is_one_point(tmp_path: Path) -> None:
    assert names(tmp_path, "") == ["search"]


def test_names_can_stand_in_any_file_system(tmp_path: Path) -> None:
    assert names(tmp_path, 'axes = { ratios = ["a.b:net", "../up", "graph:/x y.safetensors"] }') == [
        "ratios=a.b-net",
        "ratios=..-up",
        "ratios=graph-x-y.safetensors",
    ]


def test_changes_take_the_place_of_what_the_plan_says(tmp_path: Path) -> None:
    text = 'axes = { "prune:lock" = [[0, 0.5], [0.5, 0]], seed = [0, 1] }\n[[grid]]\n[[grid]]\ncommand = "train"'
    text = text.replace('"prune:lock" = [[0, 0.5], [0.5, 0]], ', "")
    assert names(tmp_path, text, {"seed": 3}) == ["search", "train"]
    assert names(tmp_path, text, {"seed": [3, 4], "prune": 0.5}) == ["seed=3", "seed=4", "train,seed=3", "train,seed=4"]
    paired = 'axes = { "prune:lock" = [[0, 0.5], [0.5, 0]] }'
    assert names(tmp_path, paired, {"lock": 0.25}) == ["search"]
    assert names(tmp_path, paired, {"prune:lock": [[0.1, 0.4]]}) == ["prune=0.1,lock=0.4"]
    # Nothing is pruned in training: there the plan holds.
    assert names(tmp_path, text, {"prune:seed": [[0.5, 3]]}) == ["prune=0.5,seed=3", "train,seed=0", "train,seed=1"]
    assert refusal(tmp_path, paired, {"prune:lock": 0.5}) == (
        f"--set prune:lock: expected a list of values, found 0.5; {REMEDY}"
    )
    assert refusal(tmp_path, paired, {"prune:lok": [[0.5, 0]]}).startswith("--set prune:lok: expected an option of a")
    for twice in ({"lock": 0, "prune:lock": [[0, 0.5]]}, {"prune:lock": [[0, 0.5]], "lock:lock": [[0, 0]]}):
        assert refusal(tmp_path, paired, twice) == (
            f"--set {list(twice)[-1]}: expected each option once, found one of them twice; leave one of them out"
        )
    assert refusal(tmp_path, text, {"sede": 1}) == (
        "--set sede: expected an option of a run, found none of that name; check the name"
    )
    assert (
        refusal(tmp_path, text, {"seed": []})
        == f"--set seed: expected at least one value, found an empty axis; {REMEDY}"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1", 1), ("0.5", 0.5), ("true", True), ("[1, 2]", [1, 2]), ('"1"', "1"), ("digits", "digits"), ("", "")),
        *(("1\nother = 2", "1\nother = 2"), ("/some/where", "/some/where"), ("[" * 5000, "[" * 5000)),
    ],
)
def test_a_value_of_the_command_line(text: str, value: Value) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axis = 1", f"expected the keys about, fixed, axes, grid, found 'axis'; {REMEDY}"),
        ("[[grid]]\nrun = 1", f"grid 1: expected the keys command, name, fixed, axes, found 'run'; {REMEDY}"),
        ("about = 1", f"about: expected a text, found 1; {REMEDY}"),
        ("grid = 1", f"grid: expected tables, each under [[grid]], found 1; {REMEDY}"),
        ("grid = []", f"grid: expected tables, each under [[grid]], found []; {REMEDY}"),
        ("fixed = 1", f"fixed: expected a table, under [fixed], found 1; {REMEDY}"),
        ("[[grid]]\naxes = 1", f"grid 1: axes: expected a table, under [axes], found 1; {REMEDY}"),
        ('[[grid]]\ncommand = "pack"', f"grid 1: command: expected search or train, found 'pack'; {REMEDY}"),
        (
            '[[grid]]\nname = "a/b"',
            f"grid 1: name: expected up to 64 letters, digits and _ . + -, found 'a/b'; {REMEDY}",
        ),
        (
            "fixed = { widht = 1 }",
            "fixed: widht: expected an option of sltpack search that a plan can set, found 'widht'; "
            "sltpack search --help names them",
        ),
        (
            '[fixed]\nprune = 0.5\n[[grid]]\ncommand = "train"',
            "fixed: prune: expected an option of sltpack train that a plan can set, found 'prune'; "
            "sltpack train --help names them",
        ),
        ('fixed = { width = "wide" }', f"fixed: width: expected a number, found 'wide'; {REMEDY}"),
        ("axes = { width = [0.5, true] }", f"axes: width: expected a number, found True; {REMEDY}"),
        ("fixed = { width = 2026-01-01 }", f"fixed: width: expected a number, found datetime.date(2026, 1, 1); {REMEDY}"),
        ("axes = { width = 0.5 }", f"axes: width: expected a list of values, found 0.5; {REMEDY}"),
        ("axes = { width = [] }", f"axes: width: expected at least one value, found an empty axis; {REMEDY}"),
        (
            'axes = { "prune:lock" = [[0.5, 0.1], [0.5]] }',
            f"axes: prune:lock: expected lists of 2 values, one for each option, found [0.5]; {REMEDY}",
        ),
        (
            "fixed = { width = 1 }\naxes = { width = [1] }",
            f"width: expected each option once, fixed or in an axis, found it twice; {REMEDY}",
        ),
        (
            "axes = { seed = [0, 0] }",
            "seed=0: expected points with a name each, found two of this name; leave one of them out, or give a grid a name",
        ),
        (
            "[[grid]]\n[[grid]]\nfixed = { seed = 1 }",
            "search: expected points with a name each, found two of this name; leave one of them out, or give a grid a name",
        ),
        (
            f'axes = {{ model = ["{"m" * 200}"] }}',
            f"model={'m' * 200}: expected names of at most 200 characters, found one of 206; "
            "let fewer options vary in one plan, or shorten their values",
        ),
        (f"about = 0x{'f' * 5000}", f"about: expected a text, found a number of too many digits; {REMEDY}"),
        ("a = [", "expected a plan, a TOML file, found Invalid value"),
        ("a = " + "[" * 5000, "expected a plan, a TOML file, found deeply nested values"),
    ],
)  # fmt: skip
def test_a_plan_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    remedy = "check the name, or take a plan of the package: sltpack sweep --help names them"
    for found in ("no such file or directory", "a folder"):
        with pytest.raises(SltpackError) as caught:
            read(str(path), COMMANDS)
        assert str(caught.value) == f"{path}: expected a plan, a TOML file, found {found}; {remedy}"
        path.mkdir(exist_ok=True)
    path.rmdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(
        SltpackError, match="expected a plan, a TOML file, found a file that is no TOML; correct the plan"
    ):
        read(str(path), COMMANDS)
    path.touch()
    os.truncate(path, PLAN_BYTES + 1)
    with pytest.raises(SltpackError, match=f"expected a plan of at most {PLAN_BYTES} bytes, found more"):
        read(str(path), COMMANDS)


def test_a_plan_of_too_many_points_takes_no_memory(tmp_path: Path) -> None:
    values = "[" + ",".join(map(str, range(1000))) + "]"
    path = written(tmp_path, f"axes = {{ width = {values}, seed = {values}, prune = {values} }}")
    with pytest.raises(LimitError) as caught:
        read(path, COMMANDS)
    assert str(caught.value) == (
        f"{path}: expected at most 10000 points, found more; make several plans of it, or raise --max-points"
    )
    few = written(tmp_path, "axes = { seed = [0, 1, 2] }\n[[grid]]\n[[grid]]\nname = 'b'")
    with pytest.raises(LimitError, match="at most 5 points"):
        read(few, COMMANDS, limits=Limits(points=5))
    assert len(points_of(read(few, COMMANDS, limits=Limits(points=6)))) == 6


def test_a_longer_plan_can_be_allowed(tmp_path: Path) -> None:
    path = written(tmp_path, f"about = '{'x' * PLAN_BYTES}'")
    with pytest.raises(LimitError, match="or raise --max-plan-bytes"):
        read(path, COMMANDS)
    assert len(read(path, COMMANDS, limits=Limits(bytes=2 * PLAN_BYTES)).about) == PLAN_BYTES


def _steps(work: Callable[[], object]) -> int:
    """Count the function calls and lines of Python that some work takes: a time that no busy machine changes."""
    count = 0

    def trace(frame: object, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(SltpackError):
            work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "text_of",
    [
        lambda n: ".".join(["a"] * n) + " = 1",
        lambda n: " . ".join(['"a"'] * n) + " = 1",
        lambda n: "[" + ".".join(["a"] * n) + "]",
        lambda n: "fixed = {" + ",".join(f"k{i} = 1" for i in range(n)) + "}",
        lambda n: "axes = {" + ",".join(f"k{i} = [1]" for i in range(n)) + "}",
        lambda n: 'axes = { "' + ":".join(f"k{i}" for i in range(n)) + '" = [[1]] }',
        lambda n: "[[grid]]\n" * n,
        lambda n: f"[axes]\nseed = [{','.join(map(str, range(n)))}]\n" + "[[grid]]\n" * n,
    ],
)
def test_the_cost_of_a_plan_grows_with_its_length(tmp_path: Path, text_of: Callable[[int], str]) -> None:
    def cost(count: int) -> int:
        path = written(tmp_path, text_of(count))
        return _steps(lambda: points_of(read(path, COMMANDS)))

    assert cost(800) < 8 * cost(200)


def test_keys_of_few_names_are_read(tmp_path: Path) -> None:
    assert names(tmp_path, '"about" = "a.b.c.d.e.f.g.h.i.j.k"\nfixed.width = 0.5 # 1.2.3') == ["search"]
    assert refusal(tmp_path, "fixed.a.b.c.d.e.f.g.h.i = 1") == (
        f"expected keys of at most 8 names joined by dots, found a longer one, at character 21; {REMEDY}"
    )


def test_a_byte_order_mark(tmp_path: Path) -> None:
    assert names(tmp_path, "\ufeffaxes = { seed = [0, 1] }") == ["seed=0", "seed=1"]


@pytest.mark.parametrize(
    "text", ['fixed = { model = "evil:build" }', 'axes = { "seed:model" = [[0, "conv2"], [1, "evil:build"]] }']
)
def test_code_that_a_plan_names_is_run_only_where_the_command_line_names_it(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).endswith(
        "model: expected a model of sltpack, or one of your own that the command line names too, found 'evil:build'; "
        "its code would be run: where you trust it, add --allow-model evil:build"
    )
    path = written(tmp_path, text)
    with pytest.raises(RequestError, match="found 'evil:build'"):
        read(path, COMMANDS, allowed=["good:build", "evil"])
    read(path, COMMANDS, allowed=["evil:build"])
    for changes in ([("model", "evil:build")], [("model", ["conv2", "evil:build"])]):
        read(path, COMMANDS, changes)
    read(path, COMMANDS, [("width:model", [[1, "evil:build"], [2, "conv2"]])])


def test_no_such_plan_in_the_package() -> None:
    with pytest.raises(SltpackError) as caught:
        read("paper:postions", COMMANDS)
    assert str(caught.value) == (
        "paper:postions: expected a plan: paper:positions, paper:positions-small, paper:size, paper:size-small, "
        "paper:sparsity, paper:sparsity-small, paper:table, paper:table-small, paper:width, paper:width-small, "
        "found none of that name; did you mean paper:positions?"
    )


def test_every_plan_of_the_package_has_a_small_form() -> None:
    small = {name for name in plans.names() if name.endswith("-small")}
    assert {f"{name}-small" for name in set(plans.names()) - small} == small
