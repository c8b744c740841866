"""What a ticket can be exported to: a new target is one file, with a function `make`, and one line in `TARGETS`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from ..bundled import locate
from ..errors import RequestError, closest
from ..files import require_free, write_atomically
from ..format import container as containers
from ..format.records import MAX_WEIGHTS
from ..tickets.ticket import Ticket


@dataclass(frozen=True)
class Target:
    """One thing that a ticket can be exported to.

    Attributes:
        module: the module in this package that makes it.
        suffix: how the names of such files usually end.
        summary: what comes out, in a few words.
    """

    module: str
    suffix: str
    summary: str


TARGETS = {
    "onnx": Target("onnx_graph", ".onnx", "the network as an ONNX model, float32 or 8-bit units (extra `onnx`)"),
    "html": Target("html", ".html", "one self-contained page with the ticket, a reader and the network, for a browser"),
    "js": Target("javascript", ".mjs", "a reader of .slt files as an ES module, for Node and browsers"),
}
"""The targets by name."""


@dataclass(frozen=True)
class Options:
    """Choices that some targets have.

    Attributes:
        builder: "package.module:builder" where the model is not one of sltpack's; its code is run.
        weights: of ONNX: "float32", or "int8" for the units -1, 0 and +1 with one step a layer.
        with_preprocessing: of ONNX: whether the model takes the bytes of pixels.
    """

    builder: str | None = None
    weights: Literal["float32", "int8"] = "float32"
    with_preprocessing: bool = False


@dataclass(frozen=True)
class TicketFile:
    """A ticket, and the file that it was read from.

    Attributes:
        name: of the file, without its folder.
        data: the whole file.
        ticket: what it holds; its weights have been verified.
        options: of the target.
    """

    name: str
    data: bytes
    ticket: Ticket
    options: Options = Options()


def export(
    file: str,
    target: str,
    output: Path,
    options: Options = Options(),
    *,
    force: bool = False,
    max_weights: int = MAX_WEIGHTS,
) -> int:
    """Write a ticket as something that other tools run.

    Args:
        file: a `.slt` file, or the name of a ticket of the package.
        target: one of `TARGETS`.
        output: the file to write.
        options: of the target.
        force: whether an existing file is replaced.
        max_weights: the most weights that the file may ask for.

    Returns:
        The size of what was written, in bytes.

    Raises:
        RequestError: there is no such target or file, the output exists, or the target cannot hold such a ticket.
        FormatError: the file is damaged, or does not give the weights that it was made with.
        OutputError: the output cannot be written.
    """
    make = _maker(target)
    source = locate(file)
    require_free(output, source, force=force)
    container = containers.read(source, max_weights)
    ticket = Ticket.from_container(container, source)
    ticket.check(ticket.digest(), source)
    data = make(TicketFile(source.name, source.read_bytes(), ticket, options))
    write_atomically(output, data, force=force)
    return len(data)


def _maker(target: str) -> Callable[[TicketFile], bytes]:
    if target not in TARGETS:
        raise RequestError(
            "--to",
            expected=f"one of {', '.join(TARGETS)}",
            found=target,
            remedy=closest(target, TARGETS) or "choose one of them",
        )
    try:
        module = importlib.import_module(f".{TARGETS[target].module}", __package__)
    except ModuleNotFoundError as error:
        if error.name != target:
            raise
        raise RequestError(
            f"--to {target}",
            expected=f"the package {target}",
            found="none installed",
            remedy=f'install it: pip install "sltpack[{target}]"',
        ) from error
    return cast(Callable[[TicketFile], bytes], module.make)
