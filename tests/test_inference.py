"""From a ticket to a running model: checked weights, the user's own code only where the user names it, data that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from sltpack import load, save
from sltpack.checkpoints import Checkpoint
from sltpack.data.images import ImageData
from sltpack.errors import FormatError, MismatchError, RequestError
from sltpack.evaluation import accuracy, predict
from sltpack.header import ModelSpec, Source
from sltpack.inference import build, class_names, classify_files, score_on
from sltpack.tickets import Ticket
from sltpack_cli.main import cli

OWN_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, input_shape, width):
        super().__init__()
        channels, height, breadth = input_shape
        self.register_buffer("mask", torch.ones(height, breadth), persistent=False)
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.linear = nn.Linear(channels * height * breadth, classes, bias=False)

    def forward(self, x):
        return self.linear((self.norm(x) * self.mask).flatten(1))

def net(classes, input_shape, width):
    open("ran", "w").close()
    return Net(classes, input_shape, width)
"""


@pytest.fixture
def ticket(run: tuple[Path, Checkpoint]) -> Ticket:
    return run[1].ticket()


def test_the_model_is_plain_and_ready_to_run(ticket: Ticket) -> None:
    model = ticket.build()
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
    from sltpack.layers import buffers

    own = {name: torch.rand_like(values) for name, values in buffers(models.build(source.model)).items()}
    own["norm.running_mean"] = mean
    found = Checkpoint(source, 100, torch.rand(source.searched), 0.0, own, {}, {})
    state = found.ticket().build().state_dict()
    assert all(torch.equal(state[name], values) for name, values in own.items())
    missing = {name: values for name, values in own.items() if name != "norm.running_var"}
    with pytest.raises(MismatchError, match=r"^ticket: expected the buffers of model resnet18: "):
        replace(found, buffers=missing).ticket().build()


def test_weights_that_are_not_the_tickets(ticket: Ticket) -> None:
    with pytest.raises(FormatError, match=r"^ticket: expected weights with the SHA-256 0000000000000000"):
        replace(ticket, weights_sha256="0" * 64).build()


def test_layers_that_the_model_has_not(ticket: Ticket) -> None:
    first = replace(ticket.source.layers[0], name="other")
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
        load("own.slt").build()
    assert torch.equal(load("own.slt").build("own_model:net").get_buffer("mask"), torch.ones(8, 8))


def test_the_search_path_of_the_installed_command_has_the_working_folder(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "own_model.py").write_text(OWN_MODEL)
    program = "import sys; sys.path[0] = '/nowhere'; from sltpack_cli.main import cli; cli()"
    words = ["search", "--model", "own_model:net", "--data", "digits", "--epochs", "1", "-o", "run"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_scoring_counts_what_predict_says(ticket: Ticket, digits: ImageData, tmp_path: Path) -> None:
    path = tmp_path / "t.slt"
    save(ticket, path)
    result = score_on(path, "digits", batch_size=7)
    classes = predict(ticket.build(), digits.test)
    assert torch.equal(result.classes, classes)
    assert result.accuracy == accuracy(classes, digits.test.labels) == result.right / result.images
    assert result.peak_memory is None or result.peak_memory > 10**7
    assert set(result.summary()) == {
        *(
            "accuracy",
            "right",
            "images",
            "images_per_second",
            "load_seconds",
            "run_seconds",
            "peak_memory_bytes",
            "device",
        ),
    }


def test_class_names(ticket: Ticket) -> None:
    assert class_names(ticket) == tuple("0123456789")
    assert class_names(replace(ticket, about={"data": "cifar10"}))[3] == "cat"
    assert class_names(replace(ticket, about={"classes": '["a","b"]'})) == ("a", "b")
    assert class_names(replace(ticket, about={"classes": "{"})) == ()
    assert class_names(replace(ticket, about={})) == ()


def test_folders_of_images_end_to_end(tmp_path: Path) -> None:
    """Two classes that differ in colour, of images of several sizes."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("blue", "red")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 80, (16 + number % 3, 20, 3), np.uint8)
            pixels[..., 0 if label else 2] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    data, path = f"folder:{tmp_path / 'photos'}", tmp_path / "colours.slt"
    words = ["--model", "conv2", "--width", "0.1", "--data", data, "--epochs", "6", "--batch-size", "8"]
    searched = CliRunner().invoke(cli, ["search", *words, "--image-size", "16", "-o", str(tmp_path / "run")])
    assert searched.exit_code == 0, searched.output
    assert CliRunner().invoke(cli, ["pack", str(tmp_path / "run" / "ckpt.pt"), "-o", str(path)]).exit_code == 0
    assert class_names(load(path)) == ("blue", "red")
    assert score_on(path, data).accuracy > 0.9
    images = [tmp_path / "photos" / "blue" / "1.png", tmp_path / "photos" / "red" / "2.png"]
    assert [likely[0][0] for _, likely in classify_files(path, images)] == ["blue", "red"]

    (tmp_path / "photos" / "red").rename(tmp_path / "photos" / "green")
    with pytest.raises(MismatchError) as caught:
        score_on(path, data)
    assert str(caught.value) == (
        f"{data}: expected the ticket's classes blue, red, found blue, green; choose the data set that the ticket was "
        "searched on"
    )
