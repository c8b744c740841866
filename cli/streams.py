"""`-` as a file's name: standard input and standard output, by way of temporary files, which can be read twice."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

NAME = "-"
_CHUNK = 1 << 20


@contextmanager
def standard_input(limit: int = 1 << 34) -> Iterator[Path]:
    """Copy standard input into a file, which is gone at the end.

    Args:
        limit: the most bytes that are read.

    Yields:
        The file.

    Raises:
        LimitError: there is more.
    """
    from sltpack.errors import LimitError

    with TemporaryDirectory(prefix="sltpack-") as folder:
        path = Path(folder) / "standard input"
        with path.open("wb") as copy:
            while chunk := sys.stdin.buffer.read(_CHUNK):
                copy.write(chunk)
                if copy.tell() > limit:
                    raise LimitError(
                        "standard input", expected=f"at most {limit} bytes", found="more", remedy="give a file"
                    )
        yield path


@contextmanager
def standard_output() -> Iterator[Path]:
    """Copy what is written into a file to standard output at the end; what is printed goes to standard error.

    Yields:
        The name of the file, which is free.
    """
    out = sys.stdout.buffer
    with TemporaryDirectory(prefix="sltpack-") as folder, redirect_stdout(sys.stderr):
        path = Path(folder) / "standard output"
        yield path
        if path.exists():  # otherwise an error came
            with path.open("rb") as made:
                shutil.copyfileobj(made, out)
            out.flush()


def read_from(context: click.Context, _: click.Parameter, value: Any) -> Any:
    """Have `-` stand for standard input, as the callback of an argument."""
    return type(value)(context.with_resource(standard_input())) if str(value) == NAME else value


def write_to(context: click.Context, _: click.Parameter, value: Any) -> Any:
    """Have `-` stand for standard output, as the callback of an option."""
    return context.with_resource(standard_output()) if str(value) == NAME else value


def in_folder(output: Path, source: str | Path, suffix: str) -> Path:
    """Return where a file goes: into a folder that is there, named after its source, or under the given name."""
    return output / (Path(source).stem + suffix) if output.is_dir() else output
