"""The bar in a terminal shows words as they are, and in a pipe nothing."""

from __future__ import annotations

import re

import pytest

from sltpack.progress import bar


def test_words_are_no_markup_and_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    monkeypatch.setenv("COLUMNS", "200")
    with bar("read [bold]photos[/nothing]\x1b]0;title\x07", 2) as running:
        running.advance(1, "[red]note\n")
        running.advance(1)
    shown = capsys.readouterr().err
    assert r"read [bold]photos[/nothing]\x1b]0;title\x07" in shown
    assert r"[red]note\n" in shown
    assert "100 %" in shown
    assert "\x07" not in shown


LONG = "read some-very-long-folder-of-photos-of-my-dog"
NOTE = "epoch 3/20 best 0.123 loss 2.345 accuracy 0.567"


@pytest.mark.parametrize(
    ("label", "cells", "line"),
    [
        ("search", 10, "sea…  50 %"),
        ("search", 20, "search  50 %"),
        ("search", 30, "search ━━━━━━━━  50 %"),
        ("search", 40, "search ━━━━━━━━  50 % --:-- left"),
        ("search", 60, "search ━━━━━━━━  50 % --:-- left epoch 3/20 best 0.123 loss…"),
        ("search", 80, f"search ━━━━━━━━  50 % --:-- left {NOTE}"),
        (LONG, 20, "read some-ver…  50 %"),
        (LONG, 60, f"{LONG}  50 %"),
        (LONG, 80, f"{LONG} ━━━━━━━━  50 % --:-- left"),
    ],
)
def test_a_narrow_terminal_keeps_what_is_needed_most(
    label: str, cells: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(cells))
    with bar(label, 2) as running:
        running.advance(1, NOTE)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    lines = [found.strip() for found in re.split(r"[\r\n]+", drawn) if found.strip()]
    assert re.sub("[╸╺]", "━", lines[-1]) == line
    assert max(map(len, lines)) <= cells


def test_what_is_done_already_is_not_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with bar("search", 5, done=5):
        pass
    assert capsys.readouterr().err == ""


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with bar("read", 1) as running:
        running.advance()
    assert capsys.readouterr() == ("", "")
