"""From a ticket to a running model: checked weights, the user's own code only where the user names it, data that fits."""

from __future__ import annotations

import csv
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import sltpack
from sltpack import load, save
from sltpack.checkpoints.facts import facts_of_ticket
from sltpack.checkpoints.records import Checkpoint
from sltpack.data import sources
from sltpack.data.dataset import DataSet
from sltpack.data.images.in_memory import Normaliser
from sltpack.data.sources import GRAPH_INPUT
from sltpack.errors import DataError, FormatError, MismatchError, RequestError, one_line
from sltpack.format.records import GraphInput, ImageInput, ModelSpec, Source
from sltpack.inference.network import Network, build, classify_files
from sltpack.inference.prediction import accuracy, predict
from sltpack.inference.scoring import score_on
from sltpack.tickets.ticket import Ticket
from sltpack_cli.main import cli

OWN_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, input_shape, width):
        super().__init__()
        channels, height, breadth = input_shape
        self.register_buffer("mask", torch.ones(height, breadth), persistent=False)
        self.register_buffer("order", torch.arange(breadth).flip(0))
        self.shift = torch.tensor(0.5)
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.linear = nn.Linear(channels * height * breadth, classes, bias=False)

    def forward(self, x):
        return self.linear((self.norm(x) * self.mask + self.shift)[..., self.order].flatten(1))

def net(classes, input_shape, width):
    open("ran", "w").close()
    return Net(classes, input_shape, width)
"""


@pytest.fixture
def ticket(run: tuple[Path, Checkpoint]) -> Ticket:
    return run[1].ticket()


def test_the_model_is_plain_and_ready_to_run(ticket: Ticket) -> None:
    model = sltpack.build(ticket)
    assert type(model) is torch.nn.Sequential
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    for index, layer in enumerate(ticket.source.layers):
        weight = model.get_parameter(layer.parameter)
        assert np.array_equal(weight.numpy(), ticket.weights(index))
        assert weight.dim() == 2 or weight.is_contiguous(memory_format=torch.channels_last)


def test_buffers_reach_the_model(small_source: Callable[..., Source]) -> None:
    source = small_source(model="resnet18")
    mean = torch.arange(8, dtype=torch.float32)
    from sltpack import models
    from sltpack.models.layers import buffers

    own = {name: torch.rand_like(values) for name, values in buffers(models.build(source.model)).items()}
    own["norm.running_mean"] = mean
    scores = torch.rand(source.searched)
    found = Checkpoint(source, scores, {"kept": scores < 0.5}, own, {}, {})
    state = sltpack.build(found.ticket()).state_dict()
    assert all(torch.equal(state[name], values) for name, values in own.items())
    missing = {name: values for name, values in own.items() if name != "norm.running_var"}
    with pytest.raises(MismatchError) as caught:
        sltpack.build(replace(found, buffers=missing).ticket())
    assert str(caught.value) == one_line(
        f"ticket: expected the buffers of model resnet18: {', '.join(own)}, found {', '.join(missing)}; use the model that "
        "the ticket was searched with"
    )


def test_weights_that_are_not_the_tickets(ticket: Ticket) -> None:
    with pytest.raises(FormatError) as caught:
        sltpack.build(replace(ticket, weights_sha256="0" * 64))
    assert str(caught.value) == (
        f"ticket: expected weights with the SHA-256 {'0' * 16}..., found {ticket.weights_sha256[:16]}...; the file was not "
        "made by a correct writer, or this machine computes wrongly"
    )


def test_layers_that_the_model_has_not(ticket: Ticket) -> None:
    first = replace(ticket.source.layers[0], names=("other",))
    wrong = replace(ticket, source=replace(ticket.source, layers=(first, *ticket.source.layers[1:])))
    with pytest.raises(MismatchError) as caught:
        build(wrong, where="m.slt")
    assert str(caught.value) in (
        "m.slt: layer conv1: expected as model conv2 has it, (8, 1, 3, 3), found no such layer; the file does not fit this "
        "version's model, or was not written by sltpack",
        "m.slt: layer other: expected as model conv2 has it, no such layer, found (8, 1, 3, 3); the file does not fit this "
        "version's model, or was not written by sltpack",
    )


def test_a_huge_model_in_a_small_table_takes_no_memory(ticket: Ticket) -> None:
    huge = ModelSpec("conv2", {"width": 1000.0, "classes": 10, "input_shape": [3, 4096, 4096]})
    with pytest.raises(MismatchError):
        build(replace(ticket, source=replace(ticket.source, model=huge)))


def test_a_model_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_model.py").write_text(OWN_MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ["--model", "own_model:net"]
    search = ["search", *own, "--data", "digits", "--epochs", "1", "-o", "run"]
    for words in (search, ["pack", "run/ckpt.pt", "-o", "own.slt"]):
        assert CliRunner().invoke(cli, words).exit_code == 0
    (tmp_path / "ran").unlink()
    for words in (["info", "own.slt"], ["verify", "own.slt"], ["unpack", "own.slt", "-o", "w.safetensors"]):
        assert CliRunner().invoke(cli, words).exit_code == 0
    refused = CliRunner().invoke(cli, ["infer", "own.slt", "--data", "digits"])
    assert refused.exit_code == 2
    assert refused.stderr == (
        "Error: own.slt: model own_model:net: expected --model with the same name, since a file never runs code by itself, "
        "found no --model; if you trust that code, pass --model own_model:net\n"
    )
    assert not (tmp_path / "ran").exists()
    scored = CliRunner().invoke(cli, ["infer", "own.slt", "--data", "digits", *own])
    assert scored.exit_code == 0, scored.output
    assert (tmp_path / "ran").exists()
    with pytest.raises(RequestError):
        sltpack.build(load("own.slt"))
    own_model = sltpack.build(load("own.slt"), "own_model:net")
    assert torch.equal(own_model.get_buffer("mask"), torch.ones(8, 8))
    assert torch.equal(own_model.get_buffer("order"), torch.arange(8).flip(0))
    searched = torch.load("run/ckpt.pt", weights_only=True)["metrics"]["test_accuracy"]
    assert score_on("own.slt", "digits", builder="own_model:net").accuracy == searched

    text = (tmp_path / "own_model.py").read_text()
    (tmp_path / "changed_model.py").write_text(text.replace("return self.linear(", "return 1 + self.linear(1 / 0 * "))
    monkeypatch.setitem(sys.modules, "own_model", importlib.import_module("changed_model"))
    refused = CliRunner().invoke(cli, ["infer", "own.slt", "--data", "digits", *own])
    assert refused.exit_code == 2
    assert refused.stderr == (
        "Error: own.slt: model own_model:net: expected scores of shape (B, 10) from images of shape (B, 1, 8, 8), found "
        "ZeroDivisionError: division by zero; fix the model\n"
    )


def test_the_search_path_of_the_installed_command_has_the_working_folder(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "own_model.py").write_text(OWN_MODEL)
    program = "import sys; sys.path[0] = '/nowhere'; from sltpack_cli.main import cli; cli()"
    words = ["search", "--model", "own_model:net", "--data", "digits", "--epochs", "1", "-o", "run"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_scoring_counts_what_predict_says(ticket: Ticket, digits: DataSet, tmp_path: Path) -> None:
    path = tmp_path / "t.slt"
    save(ticket, path)
    result = score_on(path, "digits", batch_size=7)
    classes = predict(sltpack.build(ticket), digits.test)
    assert torch.equal(result.classes, classes)
    assert result.accuracy == accuracy(classes, digits.test.labels) == result.right / result.count
    assert result.peak_memory is None or result.peak_memory > 10**7
    assert set(result.summary()) == {
        *(
            "accuracy",
            "right",
            "images",
            "split",
            "splits",
            "notes",
            "images_per_second",
            "load_seconds",
            "run_seconds",
            "peak_memory_bytes",
            "device",
        ),
    }


def class_names(ticket: Ticket) -> tuple[str, ...]:
    return Network(torch.nn.Identity(), ticket.source.model, facts_of_ticket(ticket), "t.slt").class_names


def test_class_names(ticket: Ticket) -> None:
    assert class_names(ticket) == tuple("0123456789")
    assert class_names(replace(ticket, classes=tuple("abcdefghij"))) == tuple("abcdefghij")
    for classes in ((), ("a",), tuple("abcdefghijk")):
        assert class_names(replace(ticket, classes=classes)) == ()


def test_as_many_names_as_classes_or_none(ticket: Ticket, digits: DataSet, tmp_path: Path) -> None:
    save(replace(ticket, classes=("a",)), tmp_path / "t.slt")
    Image.fromarray(digits.test.pixels[0, :, :, 0].numpy()).save(tmp_path / "a.png")
    [(_, likely)] = classify_files(tmp_path / "t.slt", [tmp_path / "a.png"])
    assert [name.partition(" ")[0] for name, _ in likely] == ["class"] * 3
    assert score_on(tmp_path / "t.slt", "digits", limit=5).count == 5
    across = score_on(tmp_path / "t.slt", "digits", limit=1500, split="all")
    assert {name: part.count for name, part in across.parts.items()} == {"train": 1437, "test": 63}
    assert across.count == across.run_on == 1500
    assert sum(part.right for part in across.parts.values()) == across.right
    few = score_on(tmp_path / "t.slt", "digits", limit=5, split="all")
    assert set(few.parts) == {"train"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "nothing"),
        (ImageInput((0.0, 1.0), (0.3,), (0.4,), "stretch"), "'stretch'"),
        (GRAPH_INPUT, '"a graph\'s"'),
    ],
)
def test_images_where_the_file_does_not_say_how_they_are_fed(
    given: ImageInput | GraphInput | None, found: str, ticket: Ticket, tmp_path: Path
) -> None:
    save(replace(ticket, input=given), tmp_path / "t.slt")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(MismatchError) as caught:
        classify_files(tmp_path / "t.slt", [tmp_path / "a.png"])
    assert str(caught.value) == (
        f"{tmp_path / 't.slt'}: input: expected how pictures are fitted and normalised, with a fit of cover or "
        f"center-crop, found {found}; build the model in Python and feed it yourself"
    )


def test_images_of_another_number_of_channels(ticket: Ticket, tmp_path: Path) -> None:
    save(replace(ticket, input=ImageInput((0.0, 1.0), (0.3,) * 3, (0.4,) * 3, "cover")), tmp_path / "t.slt")
    with pytest.raises(MismatchError, match="input: expected a mean and a deviation for each of 1 channels, found 3"):
        score_on(tmp_path / "t.slt", "digits")


def test_images_are_read_and_run_in_batches(
    ticket: Ticket, digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(ticket, tmp_path / "t.slt")
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        Image.fromarray(digits.test.pixels[number, :, :, 0].numpy()).save(path)
    whole = classify_files(tmp_path / "t.slt", paths, likeliest=20)
    sizes, normalise = [], Normaliser.__call__
    monkeypatch.setattr(
        Normaliser, "__call__", lambda self, pixels: sizes.append(len(pixels)) or normalise(self, pixels)
    )
    parts = classify_files(tmp_path / "t.slt", paths, batch_size=2, likeliest=20)
    assert sizes == [2, 2, 1]
    assert [path for path, _ in parts] == paths
    for (_, one), (_, other) in zip(whole, parts, strict=True):
        assert len(one) == 10
        assert dict(one) == pytest.approx(dict(other), rel=1e-5)
    assert classify_files(tmp_path / "t.slt", []) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "--limit: expected at least 1, found 0; choose a larger one"),
        ({"limit": -1}, "--limit: expected at least 1, found -1; choose a larger one"),
        ({"batch_size": 0}, "--batch-size: expected at least 1, found 0; choose a larger one"),
        ({"split": "val"}, "--split: expected test or validation or train or all, found val; choose one of these"),
    ],
)
def test_wrong_calls(options: dict[str, Any], message: str, ticket: Ticket, tmp_path: Path) -> None:
    save(ticket, tmp_path / "t.slt")
    with pytest.raises(RequestError) as caught:
        score_on(tmp_path / "t.slt", "digits", **options)
    assert str(caught.value) == message


def test_a_part_without_images(
    ticket: Ticket, digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(ticket, tmp_path / "t.slt")
    monkeypatch.setattr(sources, "load", lambda *_: replace(digits, train=digits.train.take(slice(0, 0))))
    with pytest.raises(DataError) as caught:
        score_on(tmp_path / "t.slt", "digits", split="train")
    assert str(caught.value) == "digits: expected any in its part train, found none; choose another part"


def test_a_strangers_image_size_is_not_trusted(ticket: Ticket, tmp_path: Path) -> None:
    save(replace(ticket, about={"image_size": "9" * 5000}), tmp_path / "t.slt")
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name / f"{number}.png")
    with pytest.raises(MismatchError):
        score_on(tmp_path / "t.slt", f"folder:{tmp_path / 'photos'}")


def test_folders_of_images_end_to_end(tmp_path: Path) -> None:
    """Two classes that differ in colour, of images of several sizes."""
    random = np.random.default_rng(0)
    for label, colour in enumerate(("blue", "red")):
        (tmp_path / "photos" / colour).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 80, (16 + number % 3, 20, 3), np.uint8)
            pixels[..., 0 if label else 2] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / colour / f"{number}.png")
    if sys.platform == "linux":  # where a name need not be text
        (tmp_path / "photos" / "blue" / "3.png").rename(tmp_path / "photos" / "blue" / os.fsdecode(b"\xff.png"))
    name, path = f"folder:{tmp_path / 'photos'}", tmp_path / "colours.slt"
    words = ["--model", "conv2", "--width", "0.1", "--data", name, "--epochs", "6", "--batch-size", "8"]
    searched = CliRunner().invoke(cli, ["search", *words, "--image-size", "16", "-o", str(tmp_path / "run")])
    assert searched.exit_code == 0, searched.output
    assert CliRunner().invoke(cli, ["pack", str(tmp_path / "run" / "ckpt.pt"), "-o", str(path)]).exit_code == 0
    assert class_names(load(path)) == ("blue", "red")
    assert score_on(path, name).accuracy > 0.9
    predictions = tmp_path / "out.csv"
    score_on(path, name, split="all", limit=70, predictions=predictions)
    with open(predictions, newline="", encoding="utf-8", errors="surrogateescape") as stream:
        rows = list(csv.DictReader(stream))
    whole = sources.load(name, image_size=16)
    assert [row["file"] for row in rows] == [*(whole.train.files() or ()), *(whole.test.files() or ())][:70]
    assert all(row["file"].split("/")[0] == row["label_name"] for row in rows)
    images = [tmp_path / "photos" / "blue" / "1.png", tmp_path / "photos" / "red" / "2.png"]
    assert [likely[0][0] for _, likely in classify_files(path, images)] == ["blue", "red"]

    (tmp_path / "photos" / "red").rename(tmp_path / "photos" / "green")
    with pytest.raises(MismatchError) as caught:
        score_on(path, name)
    assert str(caught.value) == (
        f"{name}: expected the ticket's classes blue, red, found blue, green; choose the data set that the ticket was "
        "searched on"
    )
