"""Nothing is wider than the terminal, and numbers and names stay whole; help survives `python -OO`."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sltpack_cli.screen import PAGE, TOGETHER, fitted

pty = pytest.importorskip("pty")

CODE = "from sltpack_cli.main import cli; cli(prog_name='sltpack')"
COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
DIGEST = re.compile(r"[0-9a-f]{64}")


def on_a_terminal(columns: int, *words: str) -> list[str]:
    """The lines that a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    told = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=told
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 2**16)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    process.wait()
    return COLOURS.sub("", written.decode()).replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("columns", [40, 80, 130])
@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (
            ("info", "conv6-cifar10", "--layers"),
            ("2,261,184", "1,075,344", "267,573", "conv6-cifar10", "pruned 53,272"),
        ),
        (("info", "conv6cifar10"), ("conv6cifar10:", "conv6-cifar10,", "gin-cora),", "conv6-cifar10?")),
        (("info", "--layer"), ("'--layer'.", "'--layers'?")),
        (("list",), ("imagenet-resnet34,", "paper:positions-small,")),
        (("theory", "subset-sum", "--trials", "20", "--epsilon", "0.3"), ("0.2",)),
    ],
)
def test_what_is_printed_fits_the_terminal(columns: int, words: tuple[str, ...], whole: tuple[str, ...]) -> None:
    lines = on_a_terminal(columns, *words)
    assert max(map(len, lines)) <= columns
    written = "\n".join(lines)
    for word in whole:
        assert word in written or (" " in word and columns > 80)  # in a table, name and number stand apart


def test_a_digest_is_not_broken() -> None:
    lines = on_a_terminal(40, "verify", "gin-cora")
    assert sum(bool(DIGEST.search(line)) for line in lines) == 2
    assert max(map(len, on_a_terminal(80, "verify", "gin-cora"))) <= 80


def test_a_pipe_gets_whole_errors_and_a_page() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, "info", "conv6-cifar10"], capture_output=True, text=True, check=True
    )
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= PAGE
    done = subprocess.run([sys.executable, "-c", CODE, "info", "n" * 200], capture_output=True, text=True, check=False)
    assert len(done.stderr.splitlines()) == 1


@given(st.text(st.sampled_from("ab ,1" + TOGETHER), max_size=200), st.integers(20, 60))
def test_no_word_is_lost_or_broken(text: str, width: int) -> None:
    written = fitted(text, width, after="  ")
    assert written.split() == text.split()
    words = [word for word in re.split(r"[ \n]+", text.replace(TOGETHER, "_")) if word]
    longest = max(map(len, words), default=0)
    assert all(len(line) <= max(width, longest + 2) for line in written.splitlines())
    assert fitted(text, None) == text.replace(TOGETHER, " ")


@pytest.mark.parametrize("words", [(), ("search",), ("theory", "subset-sum")])
def test_help_without_docstrings(words: tuple[str, ...]) -> None:
    def shown(*flags: str) -> str:
        return subprocess.run(
            [sys.executable, *flags, "-c", CODE, *words, "--help"], capture_output=True, text=True, check=True
        ).stdout

    assert "Examples:" in shown()
    assert shown("-OO") == shown()
