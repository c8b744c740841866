"""Files of `torch.save` that hold tensors and plain values: written atomically, read without running code in them."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

import torch
from torch import nn

from ..errors import FormatError, RequestError, reason, shown
from ..files import open_plain, write_atomically

HOW_TO_MAKE = "make one with sltpack search or train"


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a file, in place of an older one.

    Args:
        path: its name.
        values: tensors and plain values by name.

    Raises:
        OutputError: the file cannot be written.
    """
    # Into memory first: torch tells a full disk in its own way, and files.py in ours.
    stream = io.BytesIO()
    torch.save(dict(values), stream)
    write_atomically(path, stream.getvalue(), force=True)


def read(path: Path, form: str, versions: Sequence[int]) -> dict[str, Any]:
    """Reads a file, running no code that it may hold.

    Args:
        path: the file.
        form: what stands under "format".
        versions: those of its versions that can be read.

    Returns:
        Its values by name, with tensors on the CPU.

    Raises:
        RequestError: there is no such file.
        FormatError: it is of another format or version, is damaged or holds code.
    """
    try:
        stream = open_plain(path)
    except OSError as error:
        raise RequestError(path, expected="a checkpoint", found=reason(error), remedy=HOW_TO_MAKE) from error
    try:
        with stream, warnings.catch_warnings():
            _require_whole(path, stream)
            warnings.simplefilter("ignore")  # what torch warns of in a stranger's file ends in an error below
            values = torch.load(stream, map_location="cpu", weights_only=True)
    except FormatError:
        raise
    except pickle.UnpicklingError as error:
        raise _code_or_damage(path) from error
    except Exception as error:  # torch.load raises nearly anything on damaged files
        found = f"a file that torch cannot read ({type(error).__name__})"
        raise FormatError(path, expected="a checkpoint", found=found, remedy=HOW_TO_MAKE) from error
    if not isinstance(values, dict) or values.get("format") != form:
        found = "another tool's checkpoint, without scores" if isinstance(values, dict) else type(values).__name__
        raise FormatError(path, expected="a checkpoint of sltpack", found=found, remedy=HOW_TO_MAKE)
    if type(values.get("version")) is not int or values["version"] not in versions:
        raise FormatError(
            path,
            expected=f"version {', '.join(map(str, versions[:-1]))} or {versions[-1]} of the checkpoint",
            found=f"version {shown(values.get('version'))}",
            remedy="use the sltpack that wrote it",
        )
    return values


def _require_whole(path: Path, stream: BinaryIO) -> None:
    """Makes sure that a file is what was written, and holds no more than it is long, before torch reads it.

    torch itself takes whatever memory a part claims to need, and does not look at the parts' sums.

    Raises:
        FormatError: it is no archive of torch.save, its parts are compressed or overlap, or one has another sum.
    """
    try:
        archive = zipfile.ZipFile(stream)
        parts = archive.infolist()
        size = stream.seek(0, io.SEEK_END)
        stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
        if sum(part.file_size for part in parts) > size or not stored:
            raise FormatError(
                path,
                expected="parts that are stored as they are, as torch.save does",
                found="parts that are larger than the file",
                remedy=HOW_TO_MAKE,
            )
        damaged = archive.testzip()
    except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, OSError) as error:
        raise _code_or_damage(path) from error
    if damaged is not None:
        raise FormatError(
            path,
            expected="parts with the sums that they were written with",
            found=f"another in {damaged}",
            remedy="the file is damaged; take a copy of it, or make it anew with sltpack search or train",
        )
    stream.seek(0)


def _code_or_damage(path: Path) -> FormatError:
    return FormatError(
        path,
        expected="a checkpoint of tensors and plain values",
        found="a pickle that names code to run, or a damaged file",
        remedy=HOW_TO_MAKE,
    )


def is_plain(value: object, dtype: torch.dtype = torch.float32) -> TypeGuard[torch.Tensor]:
    """Tell whether a tensor is what it looks like: numbers of a type, each of them in the file."""
    return (
        type(value) in (torch.Tensor, nn.Parameter)
        and isinstance(value, torch.Tensor)
        and not value.is_nested
        and value.layout == torch.strided
        and value.dtype == dtype
        and value.device.type == "cpu"
        and not value.is_neg()
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def described(value: object) -> str:
    """Tells what stands where a tensor should, in a few words."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return "none" if value is None else type(value).__name__
