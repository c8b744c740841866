"""Hostile files are refused in one line, within 2 GB of addresses and 10 s of time, or are as harmless as they look."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("the limits are those of Linux", allow_module_level=True)

HERE = Path(__file__).parent
INPUTS = runpy.run_path(str(HERE / "inputs.py"))
KINDS = "the file is damaged, made to do harm, or of a kind that sltpack does not read"
CODE, DAMAGED = "none of it was run", "the file is damaged"
CHECKPOINT = "expected a checkpoint of tensors and plain values, found {}; {}; make one with sltpack search or train"
BATCH = "expected a pickle of numeric arrays and plain containers, found {}; {}; get the archive again"
MANY = "a pickle of more than 2097152 values, some of them used again and again"
DEEP = "a pickle whose values are nested more than 64 deep"
LARGE = "a pickle whose values take more than {} bytes, some used again and again"
KEYS = "a pickle with many whole numbers as keys that do not follow each other"
STACK = "a pickle with more than 262144 values in no container"
CHECKPOINTS = {
    "two directories": ("an archive whose directory is not the one in front of its end", KINDS),
    "parts that overlap": ("an archive whose parts overlap", KINDS),
    "something in front of the archive": ("a file that torch.save did not write", KINDS),
    "something behind the archive": ("an archive that is cut, or has something behind it", DAMAGED),
    "an old container with an archive behind": ("a container that is cut, or has something behind it", DAMAGED),
    "a hole of 3 GB": ("an archive that is cut, or has something behind it", DAMAGED),
    "a pickle that is a hole of 1 GB": ("a pickle of 1073741824 bytes", KINDS),
    "a list doubled forty times": (MANY, KINDS),
    "a tuple doubled as a key": (MANY, KINDS),
    "a tuple nested as a key": (DEEP, KINDS),
    "a list nested": (STACK, KINDS),
    "whole numbers that collide as keys": (KEYS, KINDS),
    "whole numbers with many zeros as keys": (KEYS, KINDS),
    "byte arrays by number": ("a pickle that names code to run, __builtin__.bytearray", CODE),
    "a dictionary with a method's name": ("a pickle with a dictionary with attributes", KINDS),
    "a tensor with a method's name": ("a pickle that changes what is no object", KINDS),
    "buffers that share a storage": (LARGE.format(34107580), KINDS),
    "a tensor under many names": (LARGE.format(33600128), KINDS),
    "a tensor that is larger than its storage": ("a pickle with a tensor that is larger than its storage", KINDS),
    "a storage that the archive lacks": ("an archive without a storage of 4 numbers, 1", KINDS),
    "a storage of another size": ("an archive without a storage of 4 numbers, 0", KINDS),
    "a name that is code": ("a pickle that names code to run, os.system", CODE),
    "a bare pickle that names code": ("a pickle that names code to run, os.system", CODE),
    "nothing": ("a pickle that is cut", DAMAGED),
}
BATCHES = {
    "a text encoded again and again": ("a pickle that copies its bytes again and again", KINDS),
    "a dictionary counted again and again": (MANY, KINDS),
    "a long list of parts of a path": ("a pickle with a path without end", KINDS),
    "arguments given again and again": (MANY, KINDS),
    "small whole numbers that collide": (KEYS, KINDS),
    "a number of many digits": ("a pickle with a line that does not end", DAMAGED),
    "a number of many bytes": ("a pickle with a whole number of 16777216 bytes", KINDS),
    "bytes that are not there": ("a pickle that is cut", DAMAGED),
    "bytes beyond all memory": ("a pickle that is cut", DAMAGED),
    "empty lists without end": (STACK, KINDS),
    "marks without end": ("a pickle of more than 1048576 instructions", KINDS),
    "a far memo entry": ("a pickle with memo entry 4294967295", KINDS),
    "texts of wide letters": ("a pickle with more than 16777216 bytes of texts beyond Latin-1", KINDS),
    "a string of escapes": ("a pickle with a string that is none", DAMAGED),
    "a list that holds itself": ("a pickle in which a list grows after it was used", KINDS),
    "a dictionary that holds itself": ("a pickle in which a dict grows after it was used", KINDS),
    "a tuple that holds itself": ("a pickle in which a list grows after it was used", KINDS),
    "a list doubled": (MANY, KINDS),
    "code by number": ("a pickle with code by number", KINDS),
    "a call of a persistent id": ("a pickle that refers to parts of an archive", KINDS),
    "the shape of an array that wraps": ("a pickle with an array without a proper shape", KINDS),
}
MEMORY = 200
"""Megabytes that the reading of any of these may take, which have at most 20."""

Found = dict[str, tuple[Path, list[Any]]]


def read_apart(paths: dict[str, Path]) -> Found:
    """Read files under limits; return each path, and how its process ended, what it printed and what it took."""
    command = [sys.executable, str(HERE / "child.py"), *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    told = json.loads(done.stdout)
    return {name: (path, told[str(path)]) for name, path in paths.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    checkpoints = INPUTS["write"](tmp_path_factory.mktemp("checkpoints"), INPUTS["CHECKPOINTS"], ".pt")
    batches = INPUTS["write"](tmp_path_factory.mktemp("batches"), INPUTS["BATCHES"], "")
    return read_apart({**checkpoints, **batches})


def test_every_input_is_listed() -> None:
    assert set(CHECKPOINTS) == set(INPUTS["CHECKPOINTS"])
    assert set(BATCHES) == set(INPUTS["BATCHES"])


@pytest.mark.parametrize("name", [*CHECKPOINTS, *BATCHES])
def test_hostile_files(found: Found, name: str) -> None:
    path, (status, line, took) = found[name]
    form, (what, verdict) = (CHECKPOINT, CHECKPOINTS[name]) if name in CHECKPOINTS else (BATCH, BATCHES[name])
    assert (status, line) == (0, f"{path}: {form.format(what, verdict)}")
    assert took < MEMORY


@pytest.mark.slow
def test_an_archive_that_inflates_to_a_gigabyte(tmp_path: Path) -> None:
    paths = INPUTS["write"](tmp_path, INPUTS["SLOW"], ".pt")
    for path, (status, line, took) in read_apart(paths).values():
        assert path.stat().st_size < 2 << 20
        assert (status, line.partition(", found ")[2][:10]) == (0, "an archive")
        assert took < MEMORY
