"""The plan of docs/sweep.md is one, and has the points that stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sltpack.sweep.plan import bundled as plans
from sltpack_cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text("utf-8")


def block(language: str, beginning: str) -> str:
    """A block of code of the page."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if text.startswith(beginning)]
    assert len(found) == 1
    return str(found[0])


def without_times(line: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[\d.]+ m?s\b|\d+ min \d+ s", "TIME", line)).strip()


def test_the_plan_has_the_points_that_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(block("toml", "about"), "utf-8")
    shown = block("text", "$ sltpack sweep").splitlines()
    printed = CliRunner().invoke(cli, shown[0].removeprefix("$ sltpack ").split())
    assert printed.exit_code == 0, printed.output
    assert [without_times(line) for line in printed.stdout.splitlines()] == [without_times(line) for line in shown[1:]]


def test_every_plan_of_the_package_is_told_of() -> None:
    assert set(re.findall(r"\| `(paper:\w+)` \|", PAGE)) == {name for name in plans.names() if "-small" not in name}
