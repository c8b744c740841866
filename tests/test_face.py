"""What `import sltpack` offers, called as a user would write it in a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import sltpack
from sltpack.errors import SltpackError


class Net(nn.Module):
    """A network as a script defines one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.last = nn.Linear(8 * 16, 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify images."""
        scores: torch.Tensor = self.last(torch.relu(self.conv1(x)).flatten(1))  # (B, classes)
        return scores


class Pairs(torch.utils.data.Dataset[Any]):
    """A data set as a script defines one."""

    classes = ("dark", "bright")

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        return self.images[number], int(self.labels[number])


def drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose left or right half is brighter, and which of them."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1, 8, 8, generator=random)
    labels = torch.randint(0, 2, (count,), generator=random)
    images[labels == 1, :, :, 4:] += 1
    return images, labels


IMAGES, LABELS = drawn(400, 0)
SHORT: dict[str, Any] = {"epochs": 4, "batch_size": 20, "optimizer": "adamw", "learning_rate": 0.05, "device": "cpu"}


@pytest.fixture(scope="module")
def found() -> sltpack.Checkpoint:
    """A ticket searched in a module, on tensors, without a folder."""
    return sltpack.search(Net(), (IMAGES, LABELS), **SHORT)


def test_a_module_and_tensors(found: sltpack.Checkpoint) -> None:
    assert found.metrics["test_accuracy"] > 0.9
    assert repr(found).startswith("<Checkpoint tests.test_face:Net: 164 scores, validation accuracy ")


def test_the_ticket_runs_again_given_the_module(found: sltpack.Checkpoint, tmp_path: Path) -> None:
    sltpack.save(found.ticket(), tmp_path / "own.slt")
    ticket = sltpack.load(tmp_path / "own.slt")
    images, labels = drawn(200, 1)
    for model in (Net(), Net, lambda width, classes: Net()):
        network = sltpack.build(ticket, model)
        assert sltpack.evaluate(network, (images, labels)).accuracy > 0.9
        assert torch.equal(network.get_parameter("conv1.weight"), torch.from_numpy(ticket.weights("conv1")))
    assert sltpack.evaluate(ticket, (images, labels), model=Net()).accuracy > 0.9
    assert sltpack.evaluate(tmp_path / "own.slt", Pairs(images, labels), model=Net).accuracy > 0.9
    with pytest.raises(SltpackError, match=r"model tests\.test_face:Net: expected"):
        sltpack.build(ticket)


def test_the_callers_module_stays_as_it_was() -> None:
    net = Net()
    before = {name: values.clone() for name, values in net.state_dict().items()}
    sltpack.search(net, (IMAGES, LABELS), **{**SHORT, "epochs": 1})
    assert all(torch.equal(net.state_dict()[name], values) for name, values in before.items())


def test_a_builder_takes_what_it_names() -> None:
    def build(classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes, bias=False))

    found = sltpack.search(build, (IMAGES, LABELS), **{**SHORT, "epochs": 1})
    assert found.source.model.name.endswith("build")
    assert sltpack.evaluate(found, (IMAGES, LABELS), model=build).labels.shape == (400,)


def test_other_kinds_of_data() -> None:
    own = {**SHORT, "epochs": 1}
    pixels = (IMAGES.clamp(max=2) * 127).byte()
    for data in (
        (IMAGES.double(), LABELS.to(torch.int32)),
        (IMAGES.numpy(), LABELS.numpy()),
        (pixels, LABELS.tolist()),
        Pairs(IMAGES, LABELS),
        torch.utils.data.TensorDataset(IMAGES, LABELS),
    ):
        assert sltpack.search(Net(), data, **own).metrics["test_accuracy"] is not None
    found = sltpack.search(Net, Pairs(IMAGES, LABELS), validation=drawn(50, 2), test=drawn(60, 3), **own)
    assert found.settings["class_names"] == ["dark", "bright"]
    assert found.ticket().classes == ("dark", "bright")


def test_names_and_a_callback(tmp_path: Path) -> None:
    seen: list[Mapping[str, float]] = []
    found = sltpack.search(
        "conv2",
        "digits",
        width=0.125,
        epochs=2,
        folder=str(tmp_path / "run"),
        data_dir=str(tmp_path),
        on_epoch=seen.append,
    )
    assert [epoch["epoch"] for epoch in seen] == [1, 2]
    assert set(seen[0]) == {"epoch", "loss", "train_accuracy", "validation_accuracy", "rate"}
    assert sltpack.evaluate(tmp_path / "run" / "ckpt.pt", "digits").accuracy == found.metrics["test_accuracy"]
    again = sltpack.search("conv2", "digits", width=0.125, epochs=2, folder=tmp_path / "run", resume=True)
    assert torch.equal(again.scores, found.scores)


def test_weight_training() -> None:
    found = sltpack.train(Net(), (IMAGES, LABELS), **{**SHORT, "learning_rate": 0.01})
    assert sltpack.evaluate(found, drawn(200, 1), model=Net()).accuracy > 0.9
    assert repr(sltpack.evaluate(found, (IMAGES, LABELS), model=Net())).startswith("<Score 0.9")


def test_a_ticket_tells_of_itself() -> None:
    ticket = sltpack.load("conv6-cifar10")
    assert [layer.name for layer in ticket.layers][:2] == [ticket.layers[0].name, ticket.layers[1].name]
    name = ticket.layers[0].name
    assert np.array_equal(ticket.weights(name), ticket.weights(0))
    assert np.array_equal(ticket.freezing_mask(name), ticket.freezing_mask(0))
    assert np.array_equal(ticket.supermask_bits(name), ticket.supermask_bits(0))
    assert sltpack.account(ticket).file_bits % 8 == 0
    assert len(repr(ticket)) < 100
    with pytest.raises(SltpackError, match=f"layer conv99: expected {name}, .*, found none of that name"):
        ticket.weights("conv99")


def test_lists() -> None:
    assert {"conv6", "resnet18", "gin"} <= set(sltpack.list_models())
    assert "conv6-cifar10" in sltpack.list_tickets()
    assert "frozen-skc" in sltpack.list_presets()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sltpack.search(Net(), (IMAGES, LABELS), learning_rate=-1),
            "learning_rate: expected a finite number above 0, found -1; choose another",
        ),
        (
            lambda: sltpack.search(Net(), (IMAGES, LABELS), epochs="many"),
            "epochs: expected at least 1, found many; choose another",
        ),
        (
            lambda: sltpack.search(Net(), (IMAGES, LABELS), sparsty=0.5),
            "sparsty: expected an option of a search, found none of that name; check its name",
        ),
        (
            lambda: sltpack.search(Net(), (IMAGES, LABELS), freeze=0.5, prune=0.1),
            "freeze: expected either `freeze`, or `prune` and `lock`, found both; leave one of them out",
        ),
        (
            lambda: sltpack.search(Net(), (IMAGES[:, 0], LABELS)),
            "data: expected images [n, channels, height, width], float or uint8, and labels [n], integers, found float32 "
            "[400, 8, 8] and int64 [400]; reshape or convert them",
        ),
        (
            lambda: sltpack.search(Net(), 5),
            "data: expected images and labels, found int; give (images, labels), a torch.utils.data.Dataset of such pairs, "
            "or the name of a data set",
        ),
        (
            lambda: sltpack.search(nn.Linear(64, 2), (IMAGES, LABELS)),
            "model Linear: expected no parameters but the weights of its Conv2d and Linear layers, each its own, found "
            "bias of the model itself (Linear); build Conv2d and Linear with bias=False",
        ),
        (
            lambda: sltpack.search(Net(), (IMAGES, LABELS - 1)),
            "data: expected labels in 0..0, found -1 to 0; name as many `classes` as there are",
        ),
        (
            lambda: sltpack.evaluate("conv6-cifar10", "digits", split="half"),
            "split: expected train or test, found half; choose one of these",
        ),
    ],
)
def test_errors_name_parameters(call: Any, message: str) -> None:
    with pytest.raises(SltpackError) as caught:
        call()
    assert str(caught.value) == message
