"""The command group: the commands, and the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any

import click

from sltpack import __version__
from sltpack.errors import SltpackError, one_line, reason
from sltpack.stopping import CTRL_C, Stopped, stopped_by

from . import demo, export, infer, info, listing, pack, report, search, sweep, theory, train, unpack, verify
from .docstrings import restore_help
from .interrupts import signals_stop
from .screen import say
from .usage import in_one_line

_NOBODY_READS = 141
"""The exit status of a program whose reader is gone, as a shell has it: 128 and the number of SIGPIPE."""


class Failure(click.ClickException):
    """An error that ends the program with one line."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_status  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line so that it fits the terminal."""
        say(f"Error: {self.message}", error=True, page=False)


class Stopping(Failure):
    """Not an error, but what a user or a scheduler wanted."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line as it is."""
        click.echo(self.message, file=file or sys.stderr)


def _of_system(error: OSError) -> SltpackError:
    """Return the error for what nothing in the library has described, such as a name that is too long."""
    return SltpackError(
        error.filename or "standard output",
        expected="a file or folder that can be used" if error.filename else "a place that can be written",
        found=reason(error),
        remedy="check its name, its permissions and the free space",
    )


def _of_call(error: click.UsageError) -> click.ClickException:
    """Return the line that a wrong call becomes; a call without any word keeps its help."""
    return error if type(error).__name__ == "NoArgsIsHelpError" else Failure(in_one_line(error), error.exit_code)


def _of_import(error: Exception) -> SltpackError:
    """Return the error for a library that cannot be loaded: it is missing, or there is too little memory for it."""
    # Some libraries wrap the cause in pages of advice.
    cause: BaseException = error
    while isinstance(cause.__cause__ or cause.__context__, ImportError | OSError):
        cause = cause.__cause__ or cause.__context__ or cause
    return SltpackError(
        "a library",
        expected="one that can be loaded",
        found=one_line(str(cause).strip().partition("\n")[0], 300),
        remedy="check the installation, and that the memory is not limited (ulimit -v)",
    )


def _is_ours(error: BaseException) -> bool:
    """Tell whether a name is missing within sltpack itself, which is an error of the program."""
    return isinstance(error, ImportError) and (error.name or "").startswith("sltpack")


def _failure(error: BaseException) -> click.ClickException | None:
    """Return the line and the exit status that an error becomes; None where it is an error of the program."""
    if isinstance(error, click.UsageError):
        return _of_call(error)
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, KeyboardInterrupt):
        signal_name, status = stopped_by(error)
        return Stopping(f"stopped by {signal_name}", status)
    if isinstance(error, click.Abort | EOFError):
        return Stopping("stopped by Ctrl-C", CTRL_C)
    if isinstance(error, Stopped):
        return Stopping(str(error), error.exit_status)
    if isinstance(error, SltpackError):
        return Failure(str(error), error.exit_status)
    if isinstance(error, MemoryError):
        return Failure("there is too little memory for this; close other programs or use a smaller model", 1)
    if _is_ours(error):
        return None
    if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is None):  # ctypes has no number
        return Failure(str(_of_import(error)), 1)
    if isinstance(error, OSError):
        return Failure(str(_of_system(error)), 1)
    return None


class Commands(click.Group):
    """A group that turns the errors of the library into one line on standard error."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line, and end the program with its exit status."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        return sys.exit(_status(run)) if standalone_mode else run()

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; --help and --version write from here."""
        with _errors_told():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot write is no failure
        with _errors_told():
            return super().invoke(ctx)


@contextmanager
def _errors_told() -> Iterator[None]:
    """Turn errors of the library and the system into those that click tells in one line."""
    try:
        yield
    except BrokenPipeError as error:  # the reader has read enough, as head does
        raise click.exceptions.Exit(_NOBODY_READS) from error
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # which rich turns into this
            raise
        raise click.exceptions.Exit(_NOBODY_READS) from end
    except (Exception, KeyboardInterrupt) as error:
        if (failure := _failure(error)) is None or failure is error:
            raise
        raise failure from error


def _status(run: Callable[[], Any]) -> int:
    """Run the program to its end, and return its exit status."""
    with signals_stop():
        try:
            status = run() or 0
            if sys.stdout is not None:  # it is None where the shell has closed it
                sys.stdout.flush()
        except BrokenPipeError:
            status = _NOBODY_READS
        except (Exception, KeyboardInterrupt) as error:
            if (failure := _failure(error)) is None:
                raise
            status = failure.exit_code
            with suppress(OSError):
                failure.show()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            _leave(stream)
    return status


def _leave(stream: Any) -> None:
    """Write what a stream still holds, or have it forgotten, about which Python would complain at the end."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sltpack")
def cli() -> None:
    """Strong lottery tickets in a file.

    A strong lottery ticket is a subnetwork of a randomly initialised network that is accurate although no weight was
    ever trained. sltpack searches one, packs it as seeds and at most one bit for each searched weight, tells where
    every bit of the file goes, regenerates the weights bit for bit on any machine, and runs them.

    \b
    Examples:
      sltpack demo
      sltpack info conv6-cifar10
      sltpack search --model conv6 --data cifar10 --sparsity 0.5 --freeze 0.5 -o runs/conv6
      sltpack pack runs/conv6 -o model.slt
      sltpack infer model.slt --data cifar10
    """


for module in (search, train, sweep, report, pack, info, unpack, export, infer, verify, listing, demo, theory):
    cli.add_command(module.command)

if sys.flags.optimize > 1:
    restore_help(cli)
