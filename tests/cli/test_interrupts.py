"""Ctrl-C and the signals that end a command."""

from __future__ import annotations

import importlib
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sltpack.stopping import Stop, Stopped, stopped_by
from sltpack_cli.interrupts import signals_stop

STOPS = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Has signals do what they usually do, which a job in the background may be started without."""
    usual = {signal.SIGINT: signal.default_int_handler, **dict.fromkeys(STOPS, signal.SIG_DFL)}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_an_import_ends_before_the_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interrupted.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(KeyboardInterrupt), signals_stop():
            assert importlib.import_module("interrupted").whole
            begin = time.monotonic()
            time.sleep(30)
            pytest.fail("the interruption was lost")
        assert time.monotonic() - begin < 20  # it wakes a process that sleeps
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


@pytest.mark.parametrize("number", STOPS)
def test_signals_of_schedulers_interrupt_once(number: signal.Signals) -> None:
    with signals_stop():
        with pytest.raises(Stop) as caught:
            signal.raise_signal(number)
        for other in (number, *STOPS, signal.SIGINT):
            signal.raise_signal(other)
    assert stopped_by(caught.value) == (number.name, 128 + number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_second_ctrl_c_interrupts_what_the_first_one_began() -> None:
    with signals_stop():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt) as caught:
                signal.raise_signal(signal.SIGINT)
        for number in STOPS:
            signal.raise_signal(number)
    assert stopped_by(caught.value) == ("Ctrl-C", 130)


def test_one_within_the_other_changes_nothing() -> None:
    with signals_stop(), pytest.raises(KeyboardInterrupt), signals_stop():
        signal.raise_signal(signal.SIGINT)


def test_in_another_thread_signals_stay_as_they_are() -> None:
    found = []

    def run() -> None:
        with signals_stop():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_the_error_of_a_stop_in_words() -> None:
    for error, name, status in ((KeyboardInterrupt(), "Ctrl-C", 130), (Stop(signal.SIGTERM), "SIGTERM", 143)):
        told = Stopped("runs/x", error, done="after 3 of 10 epochs", remedy="--resume goes on")
        for one in (told, pickle.loads(pickle.dumps(told))):
            assert str(one) == f"runs/x: stopped by {name} after 3 of 10 epochs; --resume goes on"
            assert one.exit_status == status
