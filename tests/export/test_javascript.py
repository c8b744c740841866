"""The reader in JavaScript: it gives the same weights and scores, and refuses what is damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sltpack import models
from sltpack.bundled import locate
from sltpack.export.targets import export
from sltpack.format import container as containers
from sltpack.format.records import ImageInput, Ratios, Seeds
from sltpack.source.network import make_source
from sltpack.tickets.storage import load
from sltpack.tickets.ticket import Ticket

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.slt"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported reader."""
    path = tmp_path_factory.mktemp("reader") / "slt.mjs"
    export("conv6-cifar10", "js", path)
    return path


def read(reader: Path, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(each) + "\n" for each in asked)
    script = Path(__file__).with_name("run_reader.mjs")
    done = subprocess.run([str(NODE), script, reader], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_golden_file_and_bundled_ticket_gives_its_weights_and_buffers(reader: Path) -> None:
    files = [*GOLDEN, locate("conv6-cifar10"), locate("gin-cora")]
    assert len(GOLDEN) >= 6
    for file, found in zip(files, read(reader, *({"file": str(file)} for file in files)), strict=True):
        assert found["digest"] == found["expected"] == load(file).weights_sha256, file
        for name, values in load(file).buffers.items():
            same = np.array(found["buffers"][name], np.float32)
            assert np.array_equal(same, values.astype(np.float32).ravel()), f"{file}: {name}"


def test_every_damaged_file_is_refused(reader: Path, tmp_path: Path) -> None:
    damaged = []
    for golden in GOLDEN:
        data = golden.read_bytes()
        for at in range(0, len(data), 7):
            damaged.append(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        damaged += [data[:length] for length in (0, 7, 8, 40, len(data) // 2, len(data) - 1)] + [data + b"\0"]
    paths = [tmp_path / f"{number}.slt" for number in range(len(damaged))]
    for path, data in zip(paths, damaged, strict=True):
        path.write_bytes(data)
    found = read(reader, *({"file": str(path)} for path in paths))
    assert found == [{"error": "TicketError"}] * len(damaged)


@pytest.mark.parametrize(
    ("name", "width", "shape", "span"),
    [
        ("conv2", 0.25, (1, 8, 8), (0.0, 1.0)),
        ("conv4", 0.0625, (3, 9, 11), (-1.0, 1.0)),
        ("resnet18", 0.0625, (3, 16, 16), (0.0, 1.0)),
        ("imagenet-resnet50", 0.0625, (3, 37, 43), (0.1, 0.7)),
    ],
)
def test_the_networks_give_the_scores_that_torch_gives(
    name: str, width: float, shape: tuple[int, int, int], span: tuple[float, float], reader: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    spec = models.spec(name, width, 10, shape)
    source = make_source(spec, models.shapes(spec), "skc", "layer", Seeds(2**63 + 3, 4), Ratios("epl", 0.25, 0.25))
    model = models.build(spec).eval()
    buffers = {
        each: (random.random(buffer.shape) + (0.5 if each.endswith("var") else -0.5)).astype(np.float32)
        for each, buffer in model.named_buffers()
        if buffer.dtype == torch.float32
    }
    channels = shape[0]
    given = ImageInput(span, (0.5, 0.4, 0.3)[:channels], (0.2, 0.2, 0.3)[:channels], "cover")
    masks = [random.random(layer.searched) < 0.5 for layer in source.layers]
    ticket = Ticket.create(source, masks, buffers, {}, input=given)
    path = tmp_path / "x.slt"
    path.write_bytes(containers.encode(ticket.to_container()))

    images = random.integers(0, 256, (2, *shape[1:], channels), dtype=np.uint8)
    (found,) = read(reader, {"file": str(path), "images": [image.ravel().tolist() for image in images]})
    model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in ticket.state().items()}, strict=False)
    with torch.no_grad():
        expected = model(torch.from_numpy(ticket.preprocess(images).copy())).numpy()
    assert np.abs(np.array(found["scores"]) - expected).max() <= 1e-5 * np.abs(expected).max()
