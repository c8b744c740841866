"""Weight training: plain stochastic gradient descent, kept and gone on with as a search is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

import sltpack
from sltpack import models
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import TrainedNetwork
from sltpack.data.dataset import DataSet
from sltpack.errors import FormatError, RequestError
from sltpack.format.records import Ratios, Seeds, Source
from sltpack.inference.network import open_network
from sltpack.inference.prediction import accuracy, predict
from sltpack.models.layers import channels_last, searchable
from sltpack.searching import keeper
from sltpack.searching.methods.weight_training import WeightTraining
from sltpack.searching.run_folder import BEST, LAST
from sltpack.searching.runner import search, train
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.searching.steps import make_stepper
from sltpack.source.network import kept_by_layer, make_source
from sltpack.stopping import Stopped
from sltpack.tickets.ticket import Ticket

SourceMaker = Callable[..., Source]
SETTINGS = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.02, precision="float32")
CPU = torch.device("cpu")


def dense(model: str = "conv2", init: str = "ku") -> Source:
    """A source network of which nothing is frozen."""
    spec = models.spec(model, 0.125, 10, (1, 8, 8))
    return make_source(spec, models.shapes(spec), init, "none", Seeds(3, 4), Ratios("epl", 0.0, 0.0))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, few_digits: DataSet) -> tuple[Path, TrainedNetwork]:
    """A folder with trained weights, of a network with BatchNorm."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(dense("resnet18"), few_digits, SETTINGS, folder, device=CPU, noted={"data": "digits"})


@pytest.mark.parametrize("init", ["ku", "skc"])
def test_it_begins_at_the_source_network(init: str) -> None:
    source = dense(init=init)
    model = channels_last(models.build(source.model))
    training = WeightTraining(model, source)
    ticket = Ticket.create(source, [torch.ones(layer.searched).numpy() > 0 for layer in source.layers], {}, {})
    for index, weight in enumerate(searchable(model).values()):
        assert weight.detach().numpy().tobytes() == ticket.weights(index).tobytes()
    assert training.source == ticket.source


def test_steps_are_those_of_plain_gradient_descent() -> None:
    source = dense()
    model, plain = (channels_last(models.build(source.model)) for _ in range(2))
    stepper = make_stepper(model, WeightTraining(model, source), SETTINGS)
    plain.load_state_dict(model.state_dict())
    velocities = [torch.zeros_like(weight) for weight in plain.parameters()]
    random = torch.Generator().manual_seed(0)
    for number in range(4):
        images, labels = torch.randn(8, 1, 8, 8, generator=random), torch.randint(0, 10, (8,), generator=random)
        stepper.step(images, labels, number / 4)
        plain.zero_grad()
        functional.cross_entropy(plain(images), labels).backward()
        with torch.no_grad():
            for weight, velocity in zip(plain.parameters(), velocities, strict=True):
                velocity.mul_(SETTINGS.momentum).add_(weight.grad + SETTINGS.weight_decay * weight)
                weight.sub_(SETTINGS.rate(number / 4) * velocity)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_steps_of_adamw_are_those_of_its_equations() -> None:
    settings = replace(SETTINGS, optimizer="adamw", weight_decay=0.1)
    source = dense()
    model, plain = (channels_last(models.build(source.model)) for _ in range(2))
    stepper = make_stepper(model, WeightTraining(model, source), settings)
    plain.load_state_dict(model.state_dict())
    moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in plain.parameters()]
    random = torch.Generator().manual_seed(0)
    for number in range(1, 5):
        images, labels = torch.randn(8, 1, 8, 8, generator=random), torch.randint(0, 10, (8,), generator=random)
        stepper.step(images, labels, number / 5)
        plain.zero_grad()
        functional.cross_entropy(plain(images), labels).backward()
        rate = settings.rate(number / 5)
        with torch.no_grad():
            for weight, (first, second) in zip(plain.parameters(), moments, strict=True):
                first.mul_(0.9).add_(0.1 * weight.grad)
                second.mul_(0.999).add_(0.001 * weight.grad**2)
                weight.mul_(1 - rate * 0.1)
                step = (first / (1 - 0.9**number)) / ((second / (1 - 0.999**number)).sqrt() + 1e-8)
                weight.sub_(rate * step)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_it_learns(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=4, batch_size=32, learning_rate=0.02)
    found = sltpack.train("conv2", "digits", folder=tmp_path, **asdict(settings), width=0.25)
    assert found.metrics["test_accuracy"] > 0.8
    assert found.settings["precision"] in ("float32", "bfloat16")


def test_the_file_gives_the_network_that_was_evaluated(
    trained: tuple[Path, TrainedNetwork], few_digits: DataSet
) -> None:
    folder, found = trained
    network = open_network(folder / BEST)
    assert network.facts.results[1].data == "digits"
    classes = predict(network.model, few_digits.test)
    assert accuracy(classes, few_digits.test.labels) == found.metrics["test_accuracy"]
    for name, tensor in network.model.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, found.state()[name])


def test_a_search_is_run_from_its_checkpoint_too(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    settings = Settings(sparsity=0.5, epochs=1, batch_size=32, precision="float32", threshold="layer")
    found = search(small_source(), few_digits, settings, tmp_path, device=CPU)
    classes = predict(open_network(tmp_path / BEST).model, few_digits.test)
    assert accuracy(classes, few_digits.test.labels) == found.metrics["test_accuracy"]
    counts = [int(torch.count_nonzero(bits)) for bits in found.layer_masks()]
    assert counts == list(kept_by_layer(found.source, found.kept))


def test_ctrl_c_and_resume_give_the_same_bits(
    trained: tuple[Path, TrainedNetwork], few_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: Path, history: list[dict[str, float]]) -> None:
        if len(history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "write_metrics", stopped)
        with pytest.raises(Stopped):
            train(dense("resnet18"), few_digits, SETTINGS, tmp_path, device=CPU, noted={"data": "digits"})
    resumed = train(
        dense("resnet18"), few_digits, SETTINGS, tmp_path, device=CPU, noted={"data": "digits"}, resume=True
    )
    assert torch.equal(resumed.weights, trained[1].weights)
    assert resumed.metrics == trained[1].metrics
    ends = [checkpoint_reader.load_any(folder / LAST) for folder in (tmp_path, trained[0])]
    for name, values in ends[1].memory.items():
        assert torch.equal(ends[0].memory[name], values)
    assert [set(end.memory) for end in ends] == [{"momentum_buffer"}] * 2
    for name, buffer in ends[0].buffers.items():
        assert torch.equal(buffer, ends[1].buffers[name])


def test_there_is_no_ticket_in_it(trained: tuple[Path, TrainedNetwork]) -> None:
    path = trained[0] / BEST
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    assert str(caught.value) == (
        f"{path}: expected a checkpoint of sltpack search, found weights that sltpack train made, which no seed gives "
        "again; run them with sltpack infer, or search a ticket"
    )


def test_a_search_and_a_training_do_not_go_on_from_each_other(
    trained: tuple[Path, TrainedNetwork], run: tuple[Path, object], few_digits: DataSet, small_source: SourceMaker
) -> None:
    with pytest.raises(RequestError) as caught:
        train(dense(), few_digits, SETTINGS, run[0], device=CPU, resume=True)
    assert str(caught.value) == (
        f"{run[0] / LAST}: expected a training of weights, found a search; choose another folder"
    )
    settings = Settings(sparsity=0.5, epochs=2, batch_size=32)
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, settings, trained[0], device=CPU, resume=True)
    assert str(caught.value) == (
        f"{trained[0] / LAST}: expected a search, found a training of weights; choose another folder"
    )


def test_numbers_that_do_not_fit(trained: tuple[Path, TrainedNetwork], tmp_path: Path) -> None:
    replace(trained[1], parameters=torch.zeros(3)).save(tmp_path / "short.pt")
    with pytest.raises(FormatError) as caught:
        open_network(tmp_path / "short.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'short.pt'}: weights: expected float32 [{trained[1].source.size}], one for each weight, found "
        "float32 [3]; make one with sltpack search or train"
    )
    replace(trained[1], buffers={}).save(tmp_path / "bare.pt")
    with pytest.raises(Exception, match="expected the buffers of model resnet18: "):
        open_network(tmp_path / "bare.pt")


def test_a_weight_that_the_model_does_not_use_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resting_model.py").write_text(
        "from torch import nn\n\nclass Idle(nn.Module):\n    def __init__(self, classes):\n        super().__init__()\n"
        "        self.idle = nn.Linear(64, 8, bias=False)\n        self.used = nn.Linear(64, classes, bias=False)\n"
        "    def forward(self, x):\n        return self.used(x.flatten(1))\n\n"
        "def build(width, classes, input_shape):\n    return Idle(classes)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RequestError, match=r"found none at idle \(Linear\)"):
        sltpack.train("resting_model:build", "digits", folder=tmp_path / "run", **asdict(SETTINGS))
