"""`sltpack sweep` as a user calls it: what is made, skipped, left out, refused, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from click.testing import CliRunner, Result

from sltpack import account
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import Checkpoint, TrainedNetwork
from sltpack.format import container
from sltpack.searching.run_folder import BEST, LAST, METRICS
from sltpack.sweep.executors import local as executors
from sltpack.sweep.executors import worker
from sltpack.sweep.executors.local import Outcome, Task
from sltpack.sweep.plan import bundled as plans
from sltpack_cli import sweep as command
from sltpack_cli.main import cli

HELP = re.compile(r" Help: sltpack[a-z -]* --help$")
"""What ends the line about a wrong call."""
PLAN = """
[fixed]
model = "conv2"
width = 0.125
data = "digits"
epochs = 1
batch-size = 128
precision = "float32"
device = "cpu"
"""


def sltpack(*words: object, status: int = 0) -> Result:
    """Runs a command and makes sure of its exit status, and that no traceback is seen."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refusal(*words: object, status: int) -> str:
    lines = sltpack("sweep", *words, status=status).stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    return HELP.sub("", lines[0].removeprefix("Error: "))


class Inline(executors.Local):
    """Makes runs in this process, which takes no time to start."""

    begun: ClassVar[list[str]]

    def run(self, tasks: Sequence[Task], begun: Callable[[Task], None]) -> Generator[Outcome, None, None]:
        for task in tasks:
            begun(task)
            Inline.begun.append(task.point.name)
            fault = None
            try:
                worker.run(task.request, task.folder)
            except Exception as error:
                fault = str(error)
            yield Outcome(task, fault)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has runs made in this process, and gives the names of those that began."""
    Inline.begun = []
    monkeypatch.setattr(executors, "Local", Inline)
    return Inline.begun


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a plan of small runs, and what is given behind what all of them have."""

    def write(text: str = "", fixed: str = PLAN) -> Path:
        path = tmp_path / "plan.toml"
        path.write_text(fixed + text, "utf-8")
        return path

    return write


def test_runs_are_made_packed_and_told_and_only_once(
    plan: Callable[[str], Path], tmp_path: Path, inline: list[str]
) -> None:
    path = plan('[[grid]]\naxes = { freeze = [0.0, 0.5] }\n[[grid]]\ncommand = "train"\n')
    runs = tmp_path / "runs"
    printed = sltpack("sweep", path, "-o", runs).stdout.splitlines()
    assert inline == ["freeze=0", "freeze=0.5", "train"]
    assert [line.partition(":")[0] for line in printed[:3]] == inline
    assert printed[3].split() == ["run", "k", "p", "l", "search", "space", "validation", "test", "bits"]
    assert sorted(item.name for item in runs.iterdir()) == [".lock", *sorted(inline)]
    told = json.loads(sltpack("sweep", path, "-o", runs, "--json").stdout)
    assert len(inline) == 3
    assert (told["broken"], told["left_out"]) == ([], [])
    for run, kind in zip(told["runs"], (Checkpoint, Checkpoint, TrainedNetwork), strict=True):
        folder = runs / run["name"]
        kept = checkpoint_reader.load_any(folder / BEST)
        assert isinstance(kept, kind)
        assert run["test_accuracy"] == kept.metrics["test_accuracy"]
        assert len((folder / METRICS).read_text().splitlines()) == 1
        if kind is Checkpoint:
            assert run["bits"] == account(container.read(folder / "model.slt")).file_bits
            assert (run["sparsity"], run["searched"]) == (0.5, kept.source.searched)
    assert told["runs"][2]["bits"] == 32 * told["runs"][2]["weights"]
    again = sltpack("sweep", path, "-o", runs).stdout.splitlines()
    assert again[0] == "3 of 3 runs are finished already"
    assert len(inline) == 3
    # A ticket that is not there is packed; a run that is not there, made.
    (runs / "freeze=0" / "model.slt").unlink()
    shutil.rmtree(runs / "train")
    assert json.loads(sltpack("sweep", path, "-o", runs, "--json").stdout) == told
    assert inline[3:] == ["freeze=0", "train"]
    # One that is damaged, or another run's, is packed again.
    ticket = runs / "freeze=0" / "model.slt"
    whole = ticket.read_bytes()
    for other in (whole[:-1], b"", (runs / "freeze=0.5" / "model.slt").read_bytes()):
        ticket.write_bytes(other)
        assert json.loads(sltpack("sweep", path, "-o", runs, "--json").stdout) == told
        assert ticket.read_bytes() == whole
    assert inline[5:] == ["freeze=0"] * 3


def test_points_that_cannot_be_are_told_and_left_out(
    plan: Callable[[str], Path], tmp_path: Path, inline: list[str]
) -> None:
    path = plan('[axes]\n"prune:lock" = [[0.6, 0.1], [0.1, 0.4], [0.7, 0.7]]\n')
    reasons = [
        "left out: prune=0.6,lock=0.1: sparsity: expected 0.600033..0.899967, which these pruning and locking ratios "
        "can reach, found 0.5; choose another sparsity, or freeze fewer weights",
        "left out: prune=0.7,lock=0.7: the freezing ratio: expected pruning and locking ratios of at most 1 together, "
        "found 0.7 + 0.7; lower one of them",
    ]
    printed = sltpack("sweep", path, "-o", tmp_path / "runs").stdout.splitlines()
    assert printed[:2] == reasons
    assert inline == ["prune=0.1,lock=0.4"]
    told = json.loads(sltpack("sweep", path, "-o", tmp_path / "runs", "--json").stdout)
    assert [f"left out: {left['name']}: {left['reason']}" for left in told["left_out"]] == reasons
    nothing = plan('[axes]\n"prune:lock" = [[0.6, 0.1]]\n')
    assert refusal(nothing, "-o", tmp_path / "runs", status=2).startswith(
        f"{nothing}: expected at least one point that can exist, found none of 1; prune=0.6,lock=0.1: sparsity: expected"
    )


def test_the_cost_is_timed_once_for_each_kind_of_run(
    plan: Callable[[str], Path], tmp_path: Path, inline: list[str]
) -> None:
    path = plan("[axes]\nwidth = [0.125, 0.25]\nfreeze = [0.0, 0.5]\n", PLAN.replace("width = 0.125\n", ""))
    told = json.loads(sltpack("sweep", path, "--dry-run", "--json").stdout)
    points = {point["name"]: point for point in told["points"]}
    assert [point["state"] for point in points.values()] == ["new"] * 4
    assert {point["steps"] for point in points.values()} == {8}  # of 1,150 images
    assert points["width=0.125,freeze=0"]["seconds"] == points["width=0.125,freeze=0.5"]["seconds"] > 0
    assert len({point["step_seconds"] for point in points.values()}) == 2
    assert told["seconds"] == pytest.approx(sum(point["seconds"] for point in points.values()))
    assert inline == []
    assert sorted(tmp_path.iterdir()) == [path]
    sltpack("sweep", path, "-o", tmp_path / "runs", "--set", "width=0.125", "--set", "freeze=[0.5]")
    printed = sltpack("sweep", path, "-o", tmp_path / "runs", "--set", "width=0.125", "--dry-run", "--jobs", 2).stdout
    first, second, last = printed.splitlines()[1:]
    assert first.split()[:2] == ["freeze=0", "new"]
    assert second.split() == ["freeze=0.5", "finished"]
    assert last.startswith("1 of 2 runs to make, ")
    assert last.endswith(" with 2 side by side")


def test_a_broken_run_stops_no_other_and_is_repeated(
    plan: Callable[[str], Path], tmp_path: Path, inline: list[str]
) -> None:
    path, runs = plan("[axes]\nseed = [0, 1]\n"), tmp_path / "runs"
    (runs / "seed=0").mkdir(parents=True)
    (runs / "seed=0" / LAST).write_bytes(b"damaged")
    ended = sltpack("sweep", path, "-o", runs, status=1)
    where = f"{runs / 'seed=0' / LAST}: expected a checkpoint"
    assert ended.stdout.startswith(f"seed=0: broken: {where}")
    assert ended.stderr.startswith(f"Error: {runs}: expected 2 finished runs, found 1 broken; seed=0: {where}")
    assert ended.stderr.endswith(
        "; the same command repeats what is broken, from the start where its folder is removed\n"
    )
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout.splitlines()[-1].startswith(f"broken: seed=0: {where}")
    (runs / "seed=0" / LAST).unlink()
    sltpack("sweep", path, "-o", runs)
    assert inline == ["seed=0", "seed=1", "seed=0"]


def test_a_folder_with_another_run_is_refused(plan: Callable[[str], Path], tmp_path: Path, inline: list[str]) -> None:
    path, runs = plan("[axes]\nseed = [0, 1]\n"), tmp_path / "runs"
    sltpack("sweep", path, "-o", runs)
    best = runs / "seed=0" / BEST
    for change, name, ours, theirs in (
        ("epochs=2", "epochs", "2", "1"),
        ("width=0.25", "model", "{'name': 'conv2', 'width': 0.25", "{'name': 'conv2', 'width': 0.125"),
        ("freeze=0.2", "ratios", "{'method': 'epl', 'prune': 0.1, 'lock': 0.1}", "{'method': 'epl', 'prune': 0.25"),
        ("weight-seed=5", "seeds", "{'weights': 5, 'freezing': 0}", "{'weights': 0, 'freezing': 0}"),
    ):
        told = refusal(path, "-o", runs, "--set", change, status=2)
        assert told.startswith(f"{best}: {name}: expected {ours}")
        assert f"found {theirs}" in told
    sltpack("sweep", path, "-o", runs, "--set", "precision=auto", "--set", "score-seed=0", "--set", "seed=0", status=0)
    values = torch.load(best, weights_only=True)
    torch.save({**values, "version": 5}, best)
    assert refusal(path, "-o", runs, status=1) == (
        f"{best}: expected version 3 or 4 of the checkpoint, found version 5; use the sltpack that wrote it"
    )
    (runs / "seed=0").rename(runs / "train")
    torch.save(values, runs / "train" / BEST)
    trained = plan('[[grid]]\ncommand = "train"\n')
    assert refusal(trained, "-o", runs, status=2) == (
        f"{runs / 'train' / BEST}: expected a training of weights, found a search; "
        "choose another folder for the sweep, or move that run's folder away"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 0", "fixed: epochs: expected a whole number of at least 1, found 0"),
        ("epochs = 1.5", "fixed: epochs: expected a whole number of at least 1, found 1.5"),
        (
            f"epochs = 0x{'f' * 5000}",
            "fixed: epochs: expected a whole number of at least 1, found a number of too many digits",
        ),
        (
            f"width = 0x{'f' * 5000}",
            "fixed: width: expected a number above 0 and of at most 1024, found a number of too",
        ),
        ("epochs = true", "fixed: epochs: expected a whole number of at least 1, found True"),
        ("compile = 1", "fixed: compile: expected true or false, found 1"),
        ('sparsity = "0.5"', "fixed: sparsity: expected a number, found '0.5'"),
        ("momentum = 1", "fixed: momentum: expected a number of at least 0 and below 1, found 1"),
        ("learning-rate = 0", "fixed: learning-rate: expected a number above 0, found 0"),
        ('init = "he"', "fixed: init: expected ku or skc, found 'he'"),
        ('device = "a\\u0000b"', "fixed: device: expected auto or cpu or cuda or mps, found"),
        ('data-dir = "a\\u0000b"', "fixed: data-dir: expected a text, found"),
        ("output = 1", "fixed: output: expected an option of sltpack search that a plan can set, found 'output'"),
        ("resume = true", "fixed: resume: expected an option of sltpack search that a plan can set, found 'resume'"),
        ("sparsity = 1.5", "search: --sparsity: expected a share in 0..1, found 1.5; choose another"),
        ("freeze = 0.5\nlock = 0.1", "search: --freeze: expected either --freeze, or --prune and --lock, found both"),
        ("freeze = nan", "search: --freeze: expected a share in 0..1, found nan; choose another"),
        ("image-size = 8", "search: --image-size: expected folder:PATH or imagenet:PATH as data, found digits"),
    ],
)
def test_values_that_are_none(plan: Callable[..., Path], tmp_path: Path, text: str, message: str) -> None:
    option = text.split(" ")[0]
    kept = "".join(line for line in PLAN.splitlines(keepends=True) if not line.startswith(f"{option} "))
    path = plan(text + "\n", kept)
    with_status = {"fixed": 1}.get(message.partition(":")[0], 2)
    assert refusal(path, "-o", tmp_path / "runs", status=with_status).startswith(f"{path}: {message}")
    assert not (tmp_path / "runs").exists()


def test_other_wrong_calls(plan: Callable[..., Path], tmp_path: Path) -> None:
    path = plan("", '[fixed]\ndata = "digits"\n')
    assert refusal(path, "-o", tmp_path / "runs", status=2) == (
        f"{path}: search: expected the option model, found none; add it under [fixed]"
    )
    path = plan("", '[fixed]\ndata = "digits"\nmodel = "conv3"\n')
    assert refusal(path, "-o", tmp_path / "runs", status=2).startswith(f"{path}: search: ")
    assert refusal(path, status=2) == "Missing option '-o' / '--output'."
    assert "'seed' is not OPTION=VALUE." in refusal(path, "-o", tmp_path, "--set", "seed", status=2)
    path = plan('device = "cuda"\n', PLAN.replace('device = "cpu"\n', ""))
    if not torch.cuda.is_available():
        assert refusal(path, "--dry-run", status=2).startswith(f"{path}: search: --device cuda: expected a device")
    none = tmp_path / "none.toml"
    assert refusal(none, "--dry-run", status=2).startswith(f"{none}: expected a plan, a TOML file, found no such file")


def test_code_that_a_plan_names_is_not_run(
    plan: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "named_by_a_plan.py"
    seen = tmp_path / "seen"
    module.write_text(f"import pathlib\npathlib.Path({str(seen)!r}).touch()\n")
    monkeypatch.chdir(tmp_path)
    path = plan("", PLAN.replace("conv2", "named_by_a_plan:build"))
    for words in (("--dry-run",), ("-o", tmp_path / "runs")):
        assert "add --allow-model named_by_a_plan:build" in refusal(path, *words, status=2)
        assert not seen.exists()
    try:
        for named in (("--allow-model", "named_by_a_plan:build"), ("--set", "model=named_by_a_plan:build")):
            assert "has no attribute 'build'" in refusal(path, "--dry-run", *named, status=2)
            assert seen.exists()
    finally:
        sys.modules.pop("named_by_a_plan", None)
        sys.path[:] = [folder for folder in sys.path if folder != str(tmp_path)]


def test_limits_can_be_raised(plan: Callable[..., Path], tmp_path: Path) -> None:
    path = plan("[axes]\nseed = [0, 1, 2]\n")
    assert "expected at most 2 points" in refusal(path, "--dry-run", "--max-points", 2, status=1)
    assert "raise --max-plan-bytes" in refusal(path, "--dry-run", "--max-plan-bytes", 9, status=1)


def test_the_home_folder_in_a_plan(plan: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = plan('data-dir = "~/none"\n', PLAN.replace('"digits"', '"cora"'))
    assert str(tmp_path / "none") in refusal(path, "--dry-run", status=1)


@pytest.mark.parametrize("name", plans.names())
def test_the_plans_of_the_package_say_what_their_commands_take(name: str) -> None:
    from sltpack.sweep.plan.files import read
    from sltpack.sweep.plan.points import points_of
    from sltpack.sweep.plan.requests import request_of

    found = read(name, command._commands())
    points = points_of(found)
    assert found.about
    requests = [request_of(point) for point in points]
    assert name.endswith("-small") == all(request.data in ("digits", "digits-graph") for request in requests)
    assert len(points) <= (60 if name.endswith("-small") else 500)


@pytest.mark.parametrize("name", [name for name in plans.names() if not name.endswith("-small")])
def test_the_small_form_of_a_plan_varies_what_the_plan_does(name: str) -> None:
    from sltpack.sweep.plan.files import read
    from sltpack.sweep.plan.points import Point, points_of

    def varied(points: Sequence[Point]) -> set[str]:
        names = {option for point in points for option in point.options}
        return {option for option in names if len({point.options.get(option) for point in points}) > 1}

    full, small = (points_of(read(form, command._commands())) for form in (name, f"{name}-small"))
    assert varied(full) <= varied(small)
    assert {point.command for point in full} == {point.command for point in small}
    models = {str(point.options["model"]).replace("conv6", "conv4") for point in full}  # which begins to learn at once
    assert models - {point.options["model"] for point in small} <= {"resnet18"}
    assert len({point.options["seed"] for point in small}) >= 2  # or there is no deviation over seeds
    assert len({(point.options["recipe"], point.options["epochs"]) for point in small}) == 1


def test_every_point_of_the_small_positions_has_something_to_choose() -> None:
    from sltpack.sweep.plan.files import read
    from sltpack.sweep.plan.points import points_of

    every = [point.options for point in points_of(read("paper:positions", command._commands()))]
    points = [point.options for point in points_of(read("paper:positions-small", command._commands()))]
    places = ("prune", "lock")
    assert {tuple(options[place] for place in places) for options in points} == {
        tuple(options[place] for place in places) for options in every
    }
    for options in points:
        prune, lock, sparsity = (float(options[name]) for name in (*places, "sparsity"))
        assert sparsity not in (prune, 1 - lock)


# What a real stop leaves.


def started(path: Path, runs: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sltpack", "sweep", str(path), "-o", str(runs), *words]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs_still(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes as Linux shows them")
def test_stopped_and_killed_it_ends_as_if_it_never_was(plan: Callable[[str], Path], tmp_path: Path) -> None:
    path, runs, epochs = plan('[[grid]]\n[[grid]]\ncommand = "train"\n'), tmp_path / "runs", 40
    path.write_text(path.read_text().replace("epochs = 1", f"epochs = {epochs}"))
    metrics = runs / "search" / METRICS

    first = started(path, runs)
    wait_for(lambda: lines(metrics) >= 1)
    first.send_signal(signal.SIGINT)
    printed, told = first.communicate(timeout=120)
    assert (first.returncode, printed) == (130, "")
    assert told == f"{runs}: stopped by Ctrl-C with 0 finished of 2 runs; the same command goes on\n"
    reached = lines(metrics)
    assert 1 <= reached < epochs

    second = started(path, runs)
    wait_for(lambda: lines(metrics) > reached)
    (worker,) = children(second.pid)
    second.kill()
    second.communicate(timeout=120)
    wait_for(lambda: not runs_still(worker))
    assert reached < lines(metrics) < epochs

    third = started(path, runs, "--json")
    printed, told = third.communicate(timeout=300)
    assert (third.returncode, told) == (0, "")
    assert [run["name"] for run in json.loads(printed)["runs"]] == ["search", "train"]

    options = [
        f"--{line.replace(' = ', '=').replace(chr(34), '')}" for line in path.read_text().splitlines() if " = " in line
    ]
    options = [option for option in options if not option.startswith("--command")]
    for name in ("search", "train"):
        whole = tmp_path / "whole" / name
        sltpack(name, *options, "-o", whole)
        ours, theirs = (checkpoint_reader.load_any(folder / BEST) for folder in (runs / name, whole))
        assert ours.metrics == theirs.metrics
        if isinstance(ours, Checkpoint) and isinstance(theirs, Checkpoint):
            assert torch.equal(ours.scores, theirs.scores)
            assert ours.kept == theirs.kept
        elif isinstance(ours, TrainedNetwork) and isinstance(theirs, TrainedNetwork):
            assert torch.equal(ours.weights, theirs.weights)
        else:
            raise AssertionError("the kinds of run differ")
    assert (runs / "search" / "model.slt").exists()


def test_several_plans_have_a_folder_each(plan: Callable[[str], Path], tmp_path: Path, inline: list[str]) -> None:
    first = plan("[axes]\nseed = [0]\n").rename(tmp_path / "first.toml")
    second = plan("[axes]\nseed = [1]\n").rename(tmp_path / "second.toml")
    runs = tmp_path / "runs"
    out = sltpack("sweep", first, second, "-o", runs).stdout.splitlines()
    assert [line for line in out if line.endswith(".toml")] == [str(first), str(second)]
    assert (runs / "first" / "seed=0" / BEST).exists()
    assert (runs / "second" / "seed=1" / BEST).exists()
    told = sltpack("sweep", first, second, "-o", runs, "--json").stdout.splitlines()
    assert [json.loads(line)["plan"] for line in told] == [str(first), str(second)]
    assert inline == ["seed=0", "seed=1"]


def test_what_is_broken_in_one_plan_stops_no_other(
    plan: Callable[[str], Path], tmp_path: Path, inline: list[str]
) -> None:
    first = plan("[axes]\nseed = [0]\n").rename(tmp_path / "first.toml")
    second = plan("[axes]\nseed = [1]\n").rename(tmp_path / "second.toml")
    (tmp_path / "runs" / "first" / "seed=0" / METRICS).mkdir(parents=True)
    line = refusal(first, second, "-o", tmp_path / "runs", status=1)
    assert line.startswith(f"{tmp_path / 'runs' / 'first'}: expected 1 finished runs, found 1 broken; seed=0: ")
    assert (tmp_path / "runs" / "second" / "seed=1" / BEST).exists()


def test_plans_of_one_name(plan: Callable[[str], Path], tmp_path: Path) -> None:
    one = plan("[axes]\nseed = [0]\n")
    assert refusal(one, one, "-o", tmp_path / "runs", status=2) == (
        f"{one.stem}: expected plans of different names, found two of this name; sweep them one by one"
    )
    assert not (tmp_path / "runs").exists()
