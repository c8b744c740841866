"""Whole files: a checkpoint packed into a ticket, and a ticket unpacked into weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..bundled import locate
from ..errors import ForeignError, RequestError
from ..export import write_weights
from ..files import require_free
from ..format import container
from ..format.accounting import Account, account
from ..format.records import MAX_WEIGHTS
from ..supermask.codecs import AUTO
from ..tickets.storage import load, save
from ..tickets.ticket import Ticket
from .importers.foreign import AUTO as BY_NAMES


@dataclass(frozen=True)
class Packed:
    """What was written into a `.slt` file.

    Attributes:
        account: where its bits go.
        validated: whether a whole epoch of the search was measured; otherwise it was stopped in its first.
        found: of another code's checkpoint, what was found in it, in a sentence.
    """

    account: Account
    validated: bool
    found: str = ""


@dataclass(frozen=True)
class ForeignChoices:
    """What is known of a checkpoint that another code wrote.

    Attributes:
        kind: a row of the table of kinds, or "auto" for what the names in the file tell.
        rates: the code's own numbers, in the code's own sense.
        sparsities: instead of them, the removed shares.
        task: of a file with several tickets, the number of the wanted one.
        values: how kept weights are stored that are more than signs: "f32", "f16", or None, which refuses them.
    """

    kind: str = BY_NAMES
    rates: tuple[float, ...] = ()
    sparsities: tuple[float, ...] = ()
    task: int | None = None
    values: Literal["f32", "f16"] | None = None


@dataclass(frozen=True)
class Unpacked:
    """What was written into a file of weights.

    Attributes:
        tensors: how many.
        weights: how many numbers the effective weights have.
        weights_sha256: their digest, 64 hexadecimal digits.
    """

    tensors: int
    weights: int
    weights_sha256: str


def pack(
    checkpoint: Path,
    path: Path,
    *,
    buffers: str = "f32",
    codec: str = AUTO,
    force: bool = False,
    builder: str | None = None,
    foreign: ForeignChoices = ForeignChoices(),
    max_weights: int = MAX_WEIGHTS,
) -> Packed:
    """Pack a search's checkpoint, or one that another code wrote, into a `.slt` file, as `save` does.

    The network is run on the generated inputs, and the classes that it predicts are written into the file. A model of
    the user's own is run only where its builder is named here; otherwise the classes are those that the search noted
    when it ended.

    Args:
        checkpoint: the checkpoint's file.
        path: the name of the `.slt` file.
        buffers: how BatchNorm's statistics are written: "f32", "f16", or "q8" for 8 bits each.
        codec: how the planes are written: "raw", "rans", or "auto" for the smaller of the two.
        force: whether an existing file is replaced.
        builder: "package.module:function" where the model is not one of sltpack's.
        foreign: what is known of a checkpoint that another code wrote; without it, its names have to tell.
        max_weights: the most weights that the checkpoint may ask for.

    Returns:
        What was written.

    Raises:
        RequestError: the file exists, or there is no such checkpoint, codec or builder, or something has to be told
            that another code's file does not hold.
        MismatchError: the model's code has changed since the search.
        FormatError: the checkpoint is damaged, or not sltpack's.
        OutputError: the file cannot be written, or does not give the weights again.
    """
    from . import reading as checkpoint_reader  # it starts torch, which unpack does without

    require_free(path, checkpoint, force=force)
    if foreign.kind != BY_NAMES:
        return _pack_foreign(checkpoint, path, foreign, codec, force, max_weights)
    try:
        found = checkpoint_reader.load(checkpoint, max_weights)
    except ForeignError:
        return _pack_foreign(checkpoint, path, foreign, codec, force, max_weights)
    if foreign != ForeignChoices():
        raise RequestError(
            checkpoint,
            expected="another code's checkpoint, for which rates, tasks and values are chosen",
            found="one of sltpack, which holds all of them",
            remedy="leave these options out",
        )
    ticket = _with_outputs(found.ticket(buffers), builder, checkpoint)
    save(ticket, path, force=force, codec=codec)
    return Packed(account(container.read(path, max_weights)), found.metrics["epoch"] > 0)


def _pack_foreign(
    checkpoint: Path, path: Path, foreign: ForeignChoices, codec: str, force: bool, max_weights: int
) -> Packed:
    from .importers.conversion import convert
    from .importers.foreign import Choices
    from .importers.kinds import KINDS, choose
    from .importers.reading import read_foreign

    read = read_foreign(checkpoint, max_weights)
    kind = choose(foreign.kind, read)
    choices = Choices(foreign.rates, foreign.sparsities, foreign.task)
    imported = convert(read, kind, KINDS[kind], choices, values=foreign.values)
    save(imported.ticket, path, force=force, codec=codec)
    return Packed(account(container.read(path, max_weights)), True, imported.described)


def unpack(
    file: str | Path,
    path: Path,
    *,
    file_format: str = "safetensors",
    parts: bool = False,
    force: bool = False,
    max_weights: int = MAX_WEIGHTS,
) -> Unpacked:
    """Regenerate a ticket's weights into a file that other tools read, as `write_weights` does.

    Args:
        file: a `.slt` file or the name of a ticket in the package.
        path: the name of the file to write.
        file_format: "safetensors" or "torch".
        parts: whether to add source weights, freezing mask and supermask of each layer.
        force: whether an existing file is replaced.
        max_weights: the most weights that the ticket may ask for.

    Returns:
        What was written.

    Raises:
        RequestError: the file exists, or there is no such ticket or format.
        FormatError: the ticket is damaged, or does not give the weights that it was made with.
        OutputError: the file cannot be written.
    """
    require_free(path, locate(file), force=force)
    ticket = load(file, max_weights)
    count = write_weights(ticket, path, file_format=file_format, parts=parts, force=force, where=file)
    return Unpacked(count, ticket.source.size, ticket.weights_sha256)


def _with_outputs(ticket: Ticket, builder: str | None, where: Path) -> Ticket:
    """Return a ticket with the classes that its network predicts on the generated inputs, if it can be run."""
    from ..models import MODELS
    from ..models.building import build_ticket
    from ..models.generated import is_small, predict_generated, require_alike

    spec = ticket.source.model
    if (builder is None and spec.name not in MODELS) or not is_small(spec):
        return ticket
    found = predict_generated(build_ticket(ticket, builder, where), spec, ticket.input, where)
    if ticket.outputs and all(row.kind.endswith("f32") for row in ticket.stored_buffers.rows):
        require_alike(found, ticket.outputs, where)
    return replace(ticket, outputs=found)
