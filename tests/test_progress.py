"""The bar in a terminal shows words as they are, and in a pipe nothing."""

from __future__ import annotations

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


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with bar("read", 1) as running:
        running.advance()
    assert capsys.readouterr() == ("", "")
