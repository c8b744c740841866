"""The command group: the commands, and the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from sltpack import __version__
from sltpack.errors import SltpackError, reason

from . import demo, infer, info, pack, report, search, sweep, theory, train, unpack, verify
from .flags import flags_of, spelled
from .interrupts import imports_come_first


class Failure(click.ClickException):
    """An error that ends the program with one line."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_status  # type: ignore[misc]


def _of_system(error: OSError) -> SltpackError:
    """Tells what nothing in the library has told, such as a name that is too long."""
    return SltpackError(
        error.filename or "standard output",
        expected="a file or folder that can be used",
        found=reason(error),
        remedy="check its name, its permissions and the free space",
    )


class Commands(click.Group):
    """A group that turns the errors of the library into one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot write is no failure
        try:
            with imports_come_first():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Failure("stopped by Ctrl-C", 130) from error
        except SltpackError as error:
            raise Failure(spelled(error, flags_of(self.commands.values())), error.exit_status) from error
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
      sltpack pack runs/conv6/ckpt.pt -o model.slt
      sltpack infer model.slt --data cifar10
    """


for module in (search, train, sweep, report, pack, info, unpack, infer, verify, demo, theory):
    cli.add_command(module.command)
