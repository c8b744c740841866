"""Pickles as real files have them, small, and mutations of them: for tests of the gate and for fuzzing."""

from __future__ import annotations

import argparse
import io
import pickle
import random
import runpy
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

PLANETOID = runpy.run_path(str(Path(__file__).with_name("planetoid_files.py")))
INSTRUCTIONS = bytes(range(0x80, 0x99)) + b"(.012FGIJKLMNPQRSTUVXabcdegehijlopqrstu]})"


def saved(value: object, old: bool = False) -> bytes:
    """What torch.save writes of a value."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=not old)
    return stream.getvalue()


def inner(archive: bytes) -> bytes:
    """The pickle in an archive of torch.save."""
    with zipfile.ZipFile(io.BytesIO(archive)) as parts:
        return parts.read(next(name for name in parts.namelist() if name.endswith("/data.pkl")))


def checkpoint() -> dict[str, Any]:
    """The values of a small checkpoint, as sltpack keeps them."""
    layer = {"name": "conv.0", "shape": [4, 1, 3, 3], "prune": 1 << 30, "freeze": 1 << 31, "pruned": 9, "locked": 9}
    return {
        "format": "sltpack checkpoint",
        "version": 3,
        "model": {"name": "conv2", "width": 0.125, "classes": 10, "input_shape": [1, 8, 8]},
        "layers": [layer, layer],
        "buffers": {"norm.running_mean": torch.zeros(4), "norm.running_var": torch.ones(4)},
        "settings": {"data": "digits", "epochs": 2, "rate": 0.1, "class_names": ["a", "b"], "momentum": None},
        "metrics": {"epoch": 1, "history": [{"epoch": 1, "validation_accuracy": 0.5}], "test_accuracy": 0.5},
        "memory": {"momentum_buffer": torch.zeros(18)},
        "kept": 9,
        "scores": torch.arange(18.0),
        "threshold": 0.25,
        "by_layer": False,
    }


def foreign() -> dict[str, Any]:
    """The values of another tool's checkpoint: an optimizer, numbers of NumPy, arguments."""
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    return {
        "epoch": 2,
        "state_dict": network.state_dict(),
        "optimizer": {"state": {0: {"step": 3, "m": torch.zeros(2)}}, "param_groups": [{"lr": np.float64(0.1)}]},
        "args": argparse.Namespace(rate=0.5, device=torch.device("cuda:0"), path=Path("runs") / "a"),
        "milestones": Counter([30, 60]),
        "half": torch.zeros(3, 2, dtype=torch.bfloat16).t(),
        "mask": torch.tensor([True, False]),
        "size": torch.Size([2, 3]),
        "type": torch.float16,
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def cifar_batch() -> bytes:
    """A batch of CIFAR-10, as Python 2 pickled it."""

    def text(raw: bytes) -> bytes:
        return b"U" + bytes([len(raw)]) + raw

    pixels = np.arange(4 * 48, dtype=np.uint8)
    names = b"".join(text(b"picture_%d.png" % number) + b"q" + bytes([40 + number]) for number in range(4))
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x04K0\x86"
        b"cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbI00\n"
        b"T" + struct.pack("<i", len(pixels)) + pixels.tobytes() + b"tb"
    )
    labels = text(b"labels") + b"]q\x07(K\x01K\x02K\x03K\x00e"
    return b"\x80\x02}q\x01(" + text(b"data") + array + labels + text(b"filenames") + b"]q\x08(" + names + b"eu."


def graph() -> bytes:
    """The neighbours of Planetoid's nodes, few of them."""
    pickled = PLANETOID["pickled"]
    neighbours = PLANETOID["neighbours_of_all"]()
    few = type(neighbours)(list, {node: neighbours[node][:4] for node in range(20)})
    data: bytes = pickled(few)
    return data


def pickles() -> dict[str, bytes]:
    """Bare pickles by what they are."""
    matrix = PLANETOID["CsrMatrix"](PLANETOID["features_of_all"]()[:6])
    plain = {"a": [1, 2.5, None, True, -(10**20)], "b": ("x", b"y" * 300), "ä": {1: [], 2: {}}, "d": OrderedDict(a=1)}
    return {
        "checkpoint": inner(saved(checkpoint())),
        "foreign": inner(saved(foreign())),
        "cifar": cifar_batch(),
        "matrix": PLANETOID["pickled"](matrix),
        "graph": graph(),
        "names": pickle.dumps({b"label_names": [b"airplane", b"bird"], b"num_vis": 3072}, 0),
        "array": pickle.dumps({"data": np.arange(6, dtype=">f4").reshape(2, 3)}, 5),
        **{f"plain {protocol}": pickle.dumps(plain, protocol) for protocol in range(6)},
    }


def archives() -> dict[str, bytes]:
    """Files of torch.save by what they are."""
    return {
        "checkpoint.pt": saved(checkpoint()),
        "foreign.pt": saved(foreign()),
        "old.pt": saved(foreign(), old=True),
    }


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a few places: bits, numbers, instructions, pieces that are doubled, moved or left out."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        place = chance.randrange(len(changed))
        length = chance.choice((1, 1, 2, 4, 9, 40))
        way = chance.randrange(8)
        if way == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            changed[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif way == 2:
            changed[place] = chance.choice(INSTRUCTIONS)
        elif way == 3:
            changed[place:place] = bytes([chance.choice(INSTRUCTIONS)])
        elif way == 4:
            del changed[place : place + length]
        elif way == 5:
            changed[place:place] = changed[place : place + length] * chance.choice((1, 2, 50))
        elif way == 6:
            other = chance.randrange(len(changed))
            changed[other:other] = changed[place : place + length]
        else:
            changed[place : place + 4] = chance.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", bytes(4)))
    return bytes(changed)
