"""`sltpack theory`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sltpack.theory import Experiment, draw, fit, measure
from sltpack_cli.main import cli

FEW = ("theory", "subset-sum", "--trials", 20, "--epsilon", 0.1)


def run(*words: object, status: int = 0) -> tuple[str, str]:
    """Runs a command; gives what it printed, and its error line."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stdout, result.stderr


def test_help() -> None:
    assert "Examples:\n    sltpack theory subset-sum\n" in run("theory", "--help")[0]
    assert "Examples:\n    sltpack theory subset-sum\n" in run("theory", "subset-sum", "--help")[0]


def test_one_curve() -> None:
    printed, told = run(*FEW, "--ratios", 0.2, 0.1)
    curve = measure(Experiment(0.2, 0.1, 0.1, trials=20))
    lines = [line.split() for line in printed.splitlines()]
    assert lines[0] == ["n", "reached", "share"]
    assert lines[1][:4] == [f"{curve.successes.index(next(filter(None, curve.successes))) - 1}", "0", "0.0", "%"]
    assert lines[-4][:2] == [f"{curve.needed}", f"{curve.successes[-1]}"]
    assert lines[-1][:6] == ["0.2", "0.1", "0.1", f"{curve.needed}", f"{curve.free:.1f}", f"{curve.constant:.2f}"]
    assert told == ""


def test_several_curves_in_json_and_as_a_picture(tmp_path: Path) -> None:
    asked = ("--ratios", 0, 0, "--ratios", 0, 0.3, "--epsilon", 0.05, "--delta", 0.1, "--seed", 3)
    curves = [
        measure(Experiment(0, lock, epsilon, 0.1, trials=20, seed=3)) for epsilon in (0.1, 0.05) for lock in (0, 0.3)
    ]
    picture = tmp_path / "needed.svg"
    told = json.loads(run(*FEW, *asked, "--json", "--svg", picture)[0])
    assert {name: told[name] for name in ("delta", "trials", "seed", "most")} == {
        "delta": 0.1,
        "trials": 20,
        "seed": 3,
        "most": 500,
    }
    assert told["constant"] == fit(curves)
    assert [(one["lock"], one["epsilon"], one["needed"]) for one in told["curves"]] == [
        (curve.experiment.lock, curve.experiment.epsilon, curve.needed) for curve in curves
    ]
    assert [one["successes"] for one in told["curves"]] == [list(curve.successes) for curve in curves]
    assert picture.read_text() == draw(curves)

    printed, _ = run(*FEW, *asked)
    assert len(printed.splitlines()) == 1 + 4 + 2
    assert printed.endswith(f"n = {fit(curves):.2f} log(1 / min(delta, epsilon)) / (1 - f) fits best\n")


def test_a_number_that_is_not_reached() -> None:
    printed, _ = run(*FEW, "--ratios", 0, 0, "--ratios", 0, 0.9, "--most", 12)
    assert printed.splitlines()[2].split() == ["0", "0.9", "0.1", "over", "12"]
    assert json.loads(run(*FEW, "--ratios", 0, 0.9, "--most", 12, "--json")[0])["curves"][0]["needed"] is None


def test_the_ratios_that_are_measured_unless_asked() -> None:
    told = json.loads(run("theory", "subset-sum", "--trials", 20, "--epsilon", 0.3, "--json")[0])
    pairs = [(one["prune"], one["lock"]) for one in told["curves"]]
    assert len(pairs) == 10
    assert {round(prune + lock, 9) for prune, lock in pairs} == {0, 0.2, 0.4, 0.6}


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (("--ratios", 1.5, 0), "the pruning probability: expected at least 0 and below 1, found 1.5; choose another"),
        (("--ratios", 0, -1), "the locking probability: expected at least 0 and below 1, found -1; choose another"),
        (
            ("--ratios", 0.5, 0.5),
            "p + l: expected less than 1, so that some variables are free, found 0.5 + 0.5; choose another",
        ),
        (("--epsilon", 0), "epsilon: expected 1e-06 to 0.5, found 0; choose another"),
        (
            ("--delta", 2),
            "delta: expected less than 1 and at least 0.005, a single one of 200 trials, found 2; "
            "choose another, or more trials",
        ),
        (("--trials", 0), "the trials: expected 1 to 10000, found 0; choose another"),
        (("--most", 100_000), "the number of variables: expected 1 to 2000, found 100000; choose another"),
    ],
)
def test_wrong_calls(wrong: tuple[object, ...], line: str, tmp_path: Path) -> None:
    picture = tmp_path / "none.svg"
    assert run("theory", "subset-sum", *wrong, "--svg", picture, status=2) == ("", f"Error: {line}\n")
    assert not picture.exists()


def test_a_picture_that_exists(tmp_path: Path) -> None:
    picture = tmp_path / "there.svg"
    picture.write_text("mine")
    line = f"{picture}: expected a name that is free, found a file of that name; choose another name or pass --force"
    assert run(*FEW, "--svg", picture, status=2) == ("", f"Error: {line}\n")
    assert picture.read_text() == "mine"
    run(*FEW, "--ratios", 0, 0, "--svg", picture, "--force")
    assert picture.read_text().startswith("<?xml ")


@pytest.mark.parametrize("name", ["none/a.svg", "x" * 300, "."])
def test_a_place_for_the_picture_is_checked_before_the_measurement(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sltpack.theory.measure", None)  # which would be an error of another kind
    for force in ((), ("--force",)):
        result = CliRunner().invoke(cli, ["theory", "subset-sum", "--svg", str(tmp_path / name), *force])
        assert result.exit_code in (1, 2)
        assert result.stderr.startswith(f"Error: {tmp_path}")
