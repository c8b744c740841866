"""A terminal shows a bar and what was done above it; elsewhere there are plain lines, and a log file has them too."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from sltpack import progress
from sltpack.errors import OutputError
from sltpack.progress import Display, Log, bar, displaying, duration


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is taken for a terminal of 200 columns."""
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a job sees."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def lines_of(drawn: str) -> list[str]:
    """What stood in a terminal at any time, line by line."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    return [re.sub("[╸╺]", "━", line.strip()) for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.usefixtures("terminal")
def test_words_are_no_markup_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("read [bold]photos[/nothing]\x1b]0;title\x07", 2) as running:
        running.advance(1, "[red]{note}\n")
        running.advance(1)
        running.tell("[red]whole\x07")
    shown = capsys.readouterr().err
    assert r"read [bold]photos[/nothing]\x1b]0;title\x07" in shown
    assert r"[red]{note}\n" in shown
    assert r"[red]whole\x07" in shown
    assert "100 %" in shown
    assert "\x07" not in shown


LONG = "read some-very-long-folder-of-photos-of-my-dog"
NOTES = (
    "epoch 3/20, training accuracy 0.567, best validation 0.612",
    "epoch 3/20 train 0.567 best 0.612",
    "epoch 3/20",
)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("label", "cells", "line"),
    [
        ("search", 10, "sea…  50 %"),
        ("search", 20, "search  50 %"),
        ("search", 30, f"search {'━' * 17}  50 %"),
        ("search", 40, f"search {'━' * 13}  50 % --:-- left"),
        ("search", 60, f"search {'━' * 22}  50 % --:-- left {NOTES[2]}"),
        ("search", 80, f"search {'━' * 19}  50 % --:-- left {NOTES[1]}"),
        ("search", 120, f"search {'━' * 34}  50 % --:-- left {NOTES[0]}"),
        (LONG, 20, "read some-ver…  50 %"),
        (LONG, 60, f"{LONG}  50 %"),
        (LONG, 80, f"{LONG} ━━━━━━━━━━━━━  50 % --:-- left"),
    ],
)
def test_the_bar_fills_the_width_and_the_words_that_do_not_fit_are_others(
    label: str, cells: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(cells))
    with bar(label, 2) as running:
        running.advance(1, *NOTES)
    drawn = lines_of(capsys.readouterr().err)
    assert drawn[-1] == line
    assert max(map(len, drawn)) <= cells


@pytest.mark.usefixtures("terminal")
def test_what_was_done_stays_above_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with bar("search", 2) as running:
        running.advance(1)
        running.tell("epoch 1/2: a long account of what was measured in it", "epoch 1/2: validation 0.612")
        running.advance(1)
    drawn = lines_of(capsys.readouterr().err)
    assert drawn.count("epoch 1/2: validation 0.612") == 1
    assert drawn[-1].startswith("search")


@pytest.mark.usefixtures("terminal")
def test_what_is_done_already_is_not_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("search", 5, done=5):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("colour", ["0", "1"])
def test_a_pipe_gets_a_plain_line_once_in_a_while_whatever_rich_is_told(
    colour: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", colour)
    monkeypatch.setenv("TTY_COMPATIBLE", colour)
    with bar("read", 400, done=100) as running:
        clock[0] += 59
        running.advance(1)
        clock[0] += 1
        running.advance(99, "epoch 1/3\n", "short")
        clock[0] += 59
        running.advance(100)
        running.tell("epoch 1/3: whole", "short")
        clock[0] += 60
        running.advance(100)
    assert capsys.readouterr().err.splitlines() == [
        r"read 50 %, epoch 1/3\n, about 2 min 00 s left",
        "epoch 1/3: whole, about 1 min 00 s left",
    ]


def test_a_short_job_in_a_pipe_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("read", 2) as running:
        running.advance()
    assert capsys.readouterr() == ("", "")


def test_the_user_says_how_often_and_whether(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with displaying(Display(every=5)), bar("read", 4) as running:
        clock[0] += 5
        running.advance()
    assert capsys.readouterr().err == "read 25 %, about 15 s left\n"
    with displaying(Display(quiet=True)), bar("read", 4) as running:
        clock[0] += 100
        running.advance()
        running.tell("whole")
    assert capsys.readouterr().err == ""


def test_only_the_first_of_several_processes_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with bar("read", 4, log=Log(tmp_path / "log.txt")) as running:
        running.tell("whole")
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.iterdir())


def test_a_log_has_each_line_behind_its_time_and_is_added_to(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.txt")
    for number in range(2):
        with displaying(Display(quiet=True)), bar("read", 4, log=log) as running:
            running.advance(4)
            running.tell(f"epoch {number}\n")
    lines = log.path.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [r"epoch 0\n", r"epoch 1\n"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.partition(" ")[0]) for line in lines)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes by name")
def test_a_log_is_written_through_no_link_and_into_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "link").symlink_to("theirs")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OutputError, match=r"expected a log file that can be written.*; make room, or remove what"):
            Log(tmp_path / name).write("line")
    assert (tmp_path / "theirs").read_text() == "precious"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min"), (51600, "14 h 20 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
