"""The containers of torch.save: read as torch reads them, and refused where two readers could see two archives."""

from __future__ import annotations

import io
import runpy
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sltpack.checkpoints.torch_files import read_any
from sltpack.errors import FormatError
from sltpack.pickles import checkpoint
from sltpack.pickles.archive import Archive
from sltpack.pickles.faults import PickleFault

REAL = runpy.run_path(str(Path(__file__).parents[1] / "real_pickles.py"))
DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
DTYPES += ["uint16", "uint32", "uint64"]  # which torch pickles by a storage without a type


def read_back(tmp_path: Path, value: object, old: bool = False) -> Any:
    path = tmp_path / "c.pt"
    path.write_bytes(REAL["saved"](value, old))
    return read_any(path)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_every_type(tmp_path: Path, dtype: str, old: bool) -> None:
    whole = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1]).to(getattr(torch, dtype)).reshape(3, 4)
    value = {"whole": whole, "turned": whole.t(), "part": whole[1:, ::2], "none": whole[:0], "one": whole[2, 3]}
    found = read_back(tmp_path, value, old)
    for name, tensor in value.items():
        assert type(found[name]) is torch.Tensor
        assert found[name].dtype == tensor.dtype
        assert found[name].stride() == tensor.stride()
        assert torch.equal(found[name], tensor)


def test_tensors_that_share_their_numbers_share_them(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    found = read_back(tmp_path, [whole, whole[2:], whole])
    found[0][3] = 100
    assert found[1].tolist() == [2, 100, 4, 5]
    assert found[2] is found[0]


@pytest.mark.parametrize("old", [False, True])
def test_another_tools_checkpoint_as_torch_reads_it(tmp_path: Path, old: bool) -> None:
    value = REAL["foreign"]()
    found = read_back(tmp_path, value, old)
    assert list(found["state_dict"]) == list(value["state_dict"])
    assert all(torch.equal(found["state_dict"][name], tensor) for name, tensor in value["state_dict"].items())
    assert torch.equal(found["half"], value["half"])
    assert found["optimizer"]["state"][0]["step"] == 3


def swapped(archive: bytes) -> bytes:
    """An archive as a machine of the other byte order writes it, for storages of float32."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as parts, zipfile.ZipFile(stream, "w") as made:
        for name in parts.namelist():
            data = parts.read(name)
            if "/data/" in name:
                data = np.frombuffer(data, "<f4").byteswap().tobytes()
            made.writestr(name, b"big" if name.endswith("/byteorder") else data)
    return stream.getvalue()


def test_the_other_byte_order(tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_bytes(swapped(REAL["saved"]({"x": torch.arange(5.0)})))
    found: Any = read_any(tmp_path / "c.pt")
    assert found["x"].tolist() == [0, 1, 2, 3, 4]


def changed(archive: bytes, **numbers: int) -> bytes:
    """An archive of Python's zipfile with numbers of its end record changed."""
    where = archive.rindex(b"PK\x05\x06")
    names = ("disk", "first", "here", "count", "size", "start", "note")
    values = dict(zip(names, struct.unpack_from("<4H2LH", archive, where + 4), strict=True))
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", *{**values, **numbers}.values())
    return archive[:where] + record


def plain(**parts: bytes) -> bytes:
    """An archive with a pickle of None."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in {"data.pkl": b"\x80\x02N.", **parts}.items():
            made.writestr(f"a/{name}", data)
    return stream.getvalue()


def with_options(**options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as made:
        made.writestr("a/data.pkl", b"\x80\x02N." + bytes(100))
    return stream.getvalue()


def with_names(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(name, b"\x80\x02N.")
    return stream.getvalue()


def renamed() -> bytes:
    data = bytearray(plain())
    data[data.index(b"a/data.pkl")] = ord("b")
    return bytes(data)


def flipped() -> bytes:
    data = bytearray(plain(other=b"content"))
    data[data.index(b"content")] ^= 1
    return bytes(data)


def between() -> bytes:
    """Two parts with a few bytes between them that no entry names."""
    data = plain(other=b"content")
    second, directory = data.index(b"PK\x03\x04", 4), data.index(b"PK\x01\x02")
    moved = bytearray(data[:second] + b"abc" + data[second:])
    entry = data.index(b"PK\x01\x02", directory + 4) + 3
    moved[entry + 42 : entry + 46] = struct.pack("<L", second + 3)
    return changed(bytes(moved), start=directory + 3)


GAP = "an archive with something between its parts and its directory"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (plain()[:-1], "an archive that is cut, or has something behind it"),
        (b"PK\x03\x04", "an archive that is cut"),
        (changed(plain(), start=1), "an archive whose directory is not the one in front of its end"),
        (changed(plain(), size=1), "an archive whose directory is not the one in front of its end"),
        (changed(plain(), here=2), "an archive with notes, or of several files"),
        (changed(plain(), note=1), "an archive with notes, or of several files"),
        (changed(plain(), here=0, count=0), GAP),
        (changed(plain(), here=2, count=2), "an archive whose directory is cut"),
        (with_options(compression=zipfile.ZIP_DEFLATED), "an archive with parts that are compressed"),
        (with_names("a/data.pkl", "b/data.pkl"), "an archive whose parts are not in one folder"),
        (with_names("a/code/x.py"), "an archive without its part data.pkl"),
        (renamed(), "an archive whose parts have two names"),
        (flipped(), "an archive whose part other is not what was written"),
        (between(), "an archive with something between its parts"),
        (plain(byteorder=b"middle"), "an archive of an unknown byte order"),
        (plain(**{"constants.pkl": b""}), "an archive of TorchScript, which is a program"),
    ],
)
def test_archives_that_torch_does_not_write(data: bytes, found: str) -> None:
    with pytest.raises(PickleFault) as caught:
        checkpoint.read(io.BytesIO(data))
    assert caught.value.found == found


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_parts_of_one_name() -> None:
    with pytest.raises(PickleFault) as caught:
        Archive(io.BytesIO(with_names("a/data.pkl", "a/data.pkl")))
    assert caught.value.found == "an archive with two parts a/data.pkl"


def test_no_byte_of_an_old_container_is_left_over(tmp_path: Path) -> None:
    data = REAL["saved"]({"x": torch.arange(3.0)}, True)
    for cut in range(0, len(data), 3):
        with pytest.raises(PickleFault):
            checkpoint.read(io.BytesIO(data[:cut]))
    with pytest.raises(PickleFault) as caught:
        checkpoint.read(io.BytesIO(data + b"x"))
    assert caught.value.found == "a container that is cut, or has something behind it"


def test_truth_values_that_are_none(tmp_path: Path) -> None:
    data = REAL["saved"]({"x": torch.tensor([True, True, False])}, True)
    path = tmp_path / "c.pt"
    path.write_bytes(data[:-1] + b"\x07")
    with pytest.raises(FormatError) as caught:
        read_any(path)
    assert str(caught.value) == (
        f"{path}: expected a checkpoint of tensors and plain values, found a tensor of truth values that are none; the file "
        "is damaged; make one with sltpack search or train"
    )


def test_a_type_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"names code to run, torch.ComplexFloatStorage; none of it was run"):
        read_back(tmp_path, torch.zeros(2, dtype=torch.complex64))
