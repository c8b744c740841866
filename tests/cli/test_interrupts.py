"""Ctrl-C in the middle of an import."""

from __future__ import annotations

import importlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sltpack_cli.interrupts import signals_stop


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Has SIGINT interrupt, which a job in the background is started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_import_ends_before_the_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interrupted.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(KeyboardInterrupt), signals_stop():
            assert importlib.import_module("interrupted").whole
            time.sleep(30)
            pytest.fail("the interruption was lost")
        assert sys.modules["interrupted"].whole
    finally:
        sys.modules.pop("interrupted", None)


def test_elsewhere_it_comes_at_once_and_what_was_there_before_comes_back() -> None:
    with pytest.raises(KeyboardInterrupt), signals_stop():
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the interruption was put off")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_stop():
        signal.raise_signal(signal.SIGINT)
