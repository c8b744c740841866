"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from sltpack import bundled
from sltpack.format.records import MAX_WEIGHTS
from sltpack.limits import MEMORY

from . import screen, streams

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Decorator = Callable[[Decorated], Decorated]


class _NamedPath(click.Path):
    """A path that is not the empty text, which would mean the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("a name is missing", param, ctx)
        return super().convert(value, param, ctx)


class _HomePath(_NamedPath):
    """A path that may begin with ~, the user's home, which no shell has replaced where a plan holds the path."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(os.path.expanduser(value), param, ctx)


PATH = _NamedPath(path_type=Path)


MODELS = (
    *("conv2", "conv4", "conv6", "conv8", "resnet18", "resnet34", "resnet50"),
    *("imagenet-resnet18", "imagenet-resnet34", "imagenet-resnet50", "gin"),
)
"""The names of `sltpack.models.MODELS`, which are known here before torch is imported."""
DATA = (
    "cifar10, cifar100, digits, folder:PATH, imagenet:PATH or a graph: "
    "digits-graph, cora, citeseer, pubmed, ogbn-arxiv, graph:PATH"
)


class _Name(click.types.StringParamType):
    """A text, such as a name of sltpack's own; the Tab key offers those."""

    def __init__(self, known: Callable[[], Iterable[str]]) -> None:
        self._known = known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self._known() if name.startswith(incomplete)]


class _Ticket(click.Path):
    """A file, or the name of a ticket in the package; the Tab key offers both."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in bundled.names() and os.path.lexists(value):
            screen.say(
                f"note: {value} is the ticket that comes with sltpack; the file of that name is .{os.sep}{value}",
                error=True,
                page=False,
            )
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        named = [CompletionItem(name) for name in bundled.names() if name.startswith(incomplete)]
        return [*named, *super().shell_complete(ctx, param, incomplete)]


def _data_names() -> Iterable[str]:
    from sltpack.data import NAMES

    return (name.removesuffix("PATH") for name in NAMES)


def _plan_names() -> Iterable[str]:
    from sltpack.sweep.plan.bundled import names

    return names()


DATA_NAME = _Name(_data_names)
PLAN = _Name(_plan_names)


def ticket_argument() -> Decorator[Any]:
    """The ticket to read."""
    return click.argument("file", metavar="FILE", type=_Ticket(), callback=streams.read_from)


def max_weights_option() -> Decorator[Any]:
    """The limit on what a file may ask for."""
    return click.option(
        "--max-weights",
        type=click.IntRange(min=1),
        default=MAX_WEIGHTS,
        show_default=True,
        help="The most weights that the network may have.",
    )


def max_memory_option() -> Decorator[Any]:
    """The limits on the memory of pictures and networks."""
    return click.option(
        "--max-memory",
        type=click.IntRange(min=1),
        help="Bytes of memory that a picture, all pictures together, or a network on one image may take; otherwise "
        f"{MEMORY.picture >> 30}, {MEMORY.pictures >> 30} and {MEMORY.activations >> 30} GiB.",
    )


def json_option() -> Decorator[Any]:
    """Output for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def force_option() -> Decorator[Any]:
    """Leave to overwrite."""
    return click.option("--force", is_flag=True, help="Replace the output where it exists.")


def output_option(help_text: str) -> Decorator[Any]:
    """Where the result goes."""
    return click.option("-o", "--output", type=PATH, required=True, help=help_text)


def output_file_option(help_text: str) -> Decorator[Any]:
    """Where the one file goes that a command makes."""
    words = f"{help_text} In a folder that is there, it is named after its source; - is standard output."
    return click.option("-o", "--output", type=PATH, required=True, help=words, callback=streams.write_to)


def device_option() -> Decorator[Any]:
    """Where torch works."""
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        default="auto",
        show_default=True,
        help="Where to compute; auto takes the fastest there is.",
    )


def data_dir_option() -> Decorator[Any]:
    """Where a data set is."""
    return click.option(
        "--data-dir",
        type=_HomePath(path_type=Path),
        envvar="SLTPACK_DATA_DIR",
        help="The folder of the data set; otherwise the user's cache folder, with a download where it is not there. "
        "[env: SLTPACK_DATA_DIR]",
    )


def model_option() -> Decorator[Any]:
    """The model to search or train."""
    return click.option(
        "--model",
        type=_Name(lambda: MODELS),
        required=True,
        help="conv2, conv4, conv6, conv8, resnet18, resnet34, resnet50, imagenet-resnet18, -34, -50, for graphs "
        "gin, or package.module:builder.",
    )


def data_option() -> Decorator[Any]:
    """The data to search or train on."""
    return click.option("--data", "data_name", type=DATA_NAME, required=True, help=f"{DATA}.")


def workers_option() -> Decorator[Any]:
    """Who reads images from the disk."""
    return click.option(
        "--workers",
        type=click.IntRange(min=0),
        help="Processes that read the images of imagenet:PATH.  [default: one for each core]",
    )
