"""The ONNX model: onnxruntime gives the scores that torch gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from sltpack import models
from sltpack.errors import RequestError
from sltpack.export.onnx_graph import onnx_model
from sltpack.export.targets import Options, export
from sltpack.format.records import ImageInput, Ratios, Seeds
from sltpack.models.building import build_ticket as build
from sltpack.source.network import make_source
from sltpack.tickets.storage import load
from sltpack.tickets.ticket import Ticket

INPUT = ImageInput((0.0, 1.0), (0.5, 0.4, 0.3), (0.2, 0.2, 0.3), "cover")


def ticket_of(name: str, init: str = "skc", width: float = 0.0625, shape: tuple[int, int, int] = (3, 32, 32)) -> Ticket:
    random = np.random.default_rng(3)
    spec = models.spec(name, width, 10, shape)
    scale = "layer" if init == "skc" else "none"
    source = make_source(spec, models.shapes(spec), init, scale, Seeds(3, 4), Ratios("epl", 0.25, 0.25))
    buffers = {
        each: (random.random(buffer.shape) + (0.5 if each.endswith("var") else -0.5)).astype(np.float32)
        for each, buffer in models.build(spec).named_buffers()
        if buffer.dtype == torch.float32
    }
    return Ticket.create(
        source, [random.random(layer.searched) < 0.5 for layer in source.layers], buffers, {}, input=INPUT
    )


def scores(model: bytes, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["scores"], {"image": images})[0])


def pictures(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of pixels, and what a network takes for them."""
    pixels = np.random.default_rng(5).integers(0, 256, (3, *shape[1:], 3), dtype=np.uint8)
    scaled = pixels.astype(np.float32) / np.float32(255)
    normalised = (scaled - np.array(INPUT.mean, np.float32)) / np.array(INPUT.deviation, np.float32)
    return pixels, normalised.transpose(0, 3, 1, 2).copy()


@pytest.mark.parametrize("with_preprocessing", [False, True])
@pytest.mark.parametrize(
    ("name", "init", "weights", "shape"),
    [
        ("conv2", "ku", "float32", (3, 16, 16)),
        ("conv6", "skc", "int8", (3, 32, 32)),
        ("resnet18", "skc", "float32", (3, 32, 32)),
        ("imagenet-resnet50", "skc", "int8", (3, 37, 43)),
    ],
)
def test_the_scores_are_those_of_torch(
    name: str, init: str, weights: str, shape: tuple[int, int, int], with_preprocessing: bool
) -> None:
    ticket = ticket_of(name, init, shape=shape)
    module = build(ticket)
    model = onnx_model(ticket, module, "x", weights=weights, with_preprocessing=with_preprocessing)  # type: ignore[arg-type]
    pixels, normalised = pictures(shape)
    with torch.no_grad():
        expected = module(torch.from_numpy(normalised)).numpy()
    found = scores(model, pixels if with_preprocessing else normalised)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_integers_hold_the_weights_bit_for_bit() -> None:
    ticket = ticket_of("conv2", shape=(3, 16, 16))
    graph = onnx.load_from_string(onnx_model(ticket, build(ticket), "x", weights="int8")).graph
    held = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for index, layer in enumerate(ticket.source.layers):
        units, step = held[f"{layer.parameter}.units"], held[f"{layer.parameter}.step"]
        assert units.dtype == np.int8
        assert np.array_equal(units.astype(np.float32) * step, ticket.weights(index))


def test_what_has_no_form_is_named() -> None:
    ticket = ticket_of("conv2", "ku", shape=(3, 16, 16))
    with pytest.raises(
        RequestError, match=r"expected weights of one size a layer .* found init ku; export with --weights"
    ):
        onnx_model(ticket, build(ticket), "x", weights="int8")
    with pytest.raises(RequestError, match=r"expected a network of convolutions.* found 0, Tanh"):
        onnx_model(ticket, nn.Sequential(nn.Tanh()), "x")
    with pytest.raises(RequestError, match="found a network for graphs"):
        export("gin-cora", "onnx", Path("never.onnx"))


def test_the_bundled_ticket(tmp_path: Path) -> None:
    path = tmp_path / "cifar10.onnx"
    size = export("conv6-cifar10", "onnx", path, Options(weights="int8", with_preprocessing=True))
    assert size == path.stat().st_size < 2_400_000  # a byte a weight
    ticket = load("conv6-cifar10")
    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    module = build(ticket)
    with torch.no_grad():
        expected = module(ticket.preprocess(torch.from_numpy(pixels))).numpy()
    found = scores(path.read_bytes(), pixels)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert onnx.load(path).metadata_props[0].value == ticket.weights_sha256


def test_pixels_of_another_range() -> None:
    ticket = replace(
        ticket_of("conv2", shape=(3, 16, 16)), input=ImageInput((-1.0, 1.0), (0.1,) * 3, (0.5,) * 3, "cover")
    )
    module = build(ticket)
    pixels, _ = pictures((3, 16, 16))
    with torch.no_grad():
        expected = module(torch.from_numpy(np.ascontiguousarray(ticket.preprocess(pixels)))).numpy()
    found = scores(onnx_model(ticket, module, "x", with_preprocessing=True), pixels)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
