"""The word in the terminal while a library is imported, which is gone once it is."""

from __future__ import annotations

import io
import sys

import pytest

from sltpack_cli.loading import loading


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, library: str) -> tuple[str, str]:
    """Return what stands on standard error during the import, and after it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with loading(library):
        during = stream.getvalue()
    return during, stream.getvalue()


def test_a_terminal_sees_what_is_loaded_and_then_an_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "loading no_such_library ..."
    assert shown(monkeypatch, Terminal(), "no_such_library") == (words, f"{words}\r{' ' * len(words)}\r")


def test_a_pipe_and_what_is_loaded_already_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), "no_such_library") == ("", "")
    assert shown(monkeypatch, Terminal(), "sys") == ("", "")
