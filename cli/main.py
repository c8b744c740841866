"""The command group: the commands, and the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import io
import sys
from typing import IO, Any

import click

from sltpack import __version__
from sltpack.errors import SltpackError, reason

from . import demo, infer, info, listing, pack, report, search, sweep, theory, train, unpack, verify
from .docstrings import restore_help
from .interrupts import imports_come_first
from .screen import say
from .usage import in_one_line


class Failure(click.ClickException):
    """An error that ends the program with one line."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_status  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line so that it fits the terminal."""
        say(f"Error: {self.message}", error=True, page=False)


def _of_system(error: OSError) -> SltpackError:
    """Tells what nothing in the library has told, such as a name that is too long."""
    return SltpackError(
        error.filename or "standard output",
        expected="a file or folder that can be used",
        found=reason(error),
        remedy="check its name, its permissions and the free space",
    )


def _of_call(error: click.UsageError) -> click.ClickException:
    """Return the line that a wrong call becomes; a call without any word keeps its help."""
    return error if type(error).__name__ == "NoArgsIsHelpError" else Failure(in_one_line(error), error.exit_code)


class Commands(click.Group):
    """A group that turns the errors of the library into one line on standard error."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options of the group."""
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            raise _of_call(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot write is no failure
        try:
            with imports_come_first():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Failure("stopped by Ctrl-C", 130) from error
        except click.UsageError as error:
            raise _of_call(error) from error
        except SltpackError as error:
            raise Failure(str(error), error.exit_status) from error
        except MemoryError as error:
            raise Failure(
                "there is too little memory for this; close other programs or use a smaller model", 1
            ) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(str(_of_system(error)), 1) from error


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


for module in (search, train, sweep, report, pack, info, unpack, infer, verify, listing, demo, theory):
    cli.add_command(module.command)

if sys.flags.optimize > 1:
    restore_help(cli)
