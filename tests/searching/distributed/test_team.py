"""Several processes at one search: two of torchrun's on the CPU, against one process with the same batches.

Run as a script under torchrun, this file makes a plan of calls in each process and tells what came of them: a start of
torchrun takes longer than they do.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import distributed, nn

import sltpack
from sltpack import data, models
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import Checkpoint, Kept, TrainedNetwork
from sltpack.data.dataset import DataSet, Share
from sltpack.errors import RequestError, SltpackError
from sltpack.format.records import Source
from sltpack.launch import leads_here
from sltpack.locks import LOCK
from sltpack.searching.distributed.team import ALONE, Team, _WholeBatchNorm, team
from sltpack.searching.methods.edge_popup import EdgePopup
from sltpack.searching.methods.search_method import SearchMethod
from sltpack.searching.presets import of_recipe
from sltpack.searching.run_folder import BEST, LAST, LOG, METRICS
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.searching.steps import Stepper, make_stepper

BUILDER = """
from torch import nn

def build(width, classes, input_shape):
    def block(channels, out, stride):
        norm = nn.BatchNorm2d(out, affine=False)
        return nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), norm, nn.SiLU()

    layers = *block(1, 8, 1), *block(8, 16, 2), *block(16, 16, 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, classes, bias=False))
"""
"""A network with BatchNorm and without kinks."""
SMOOTH = "smooth_model:build"
SEARCH = {"sparsity": 0.5, "epochs": 3, "batch_size": 64, "precision": "float32"}
TRAINING = {"epochs": 3, "batch_size": 64, "learning_rate": 0.02, "precision": "float32"}
GRAPH = of_recipe("paper", "graph", {"epochs": 10, "precision": "float32"})
CALLS: dict[str, dict[str, Any]] = {
    "BatchNorm": {"model": SMOOTH, "settings": SEARCH},
    "resnet18": {"model": "resnet18", "width": 0.125, "settings": {**SEARCH, "batch_size": 1150}},
    "random": {"model": SMOOTH, "settings": {**SEARCH, "method": "random"}},
    "train": {"model": SMOOTH, "settings": TRAINING},
    # Six to train and one to validate, which only one of the processes has.
    "few": {"model": "conv2", "width": 0.125, "settings": {**SEARCH, "batch_size": 6}, "images": 7},
    "graph": {"model": "gin", "width": 0.05, "graph": True, "settings": {"sparsity": 0.5, **GRAPH}},
}
WRONG: dict[str, dict[str, Any]] = {
    "odd batches": {"model": "conv2", "width": 0.125, "settings": {**SEARCH, "batch_size": 33}},
    "fewer images than a batch": {"model": "conv2", "width": 0.125, "settings": SEARCH, "images": 6},
    "other seeds": {"model": "conv2", "width": 0.125, "settings": SEARCH, "second": {"seed": 1}},
    "other models": {"model": "conv2", "width": 0.125, "settings": SEARCH, "second": {"width": 0.25}},
    "other data": {"model": "conv2", "width": 0.125, "settings": SEARCH, "second": {"images": 100}},
    "steps too large": {"model": "conv2", "width": 0.125, "settings": {**SEARCH, "learning_rate": 1e38}},
}
COMMAND = ("search", "--model", "conv2", "--width", "0.25", "--data", "digits", "--device", "cpu")
OPTIONS = ("--precision", "float32", "--epochs", "3", "--batch-size", "64", "--learning-rate", "0.1", "--warmup", "0")


def called(root: Path, folder: Path, call: dict[str, Any], index: int = 0) -> Kept:
    """Makes a call of a plan, as the process of that index does; `root` has the graph."""
    name = f"graph:{root / 'own.safetensors'}" if "graph" in call else "digits"
    own = {**call, **(call.get("second", {}) if index else {})}
    settings = {**own["settings"], **{name: own[name] for name in own if name == "seed"}}
    others = {name: own[name] for name in own if name == "width"}
    with fewer_images(own.get("images")):
        if "sparsity" in settings:
            return sltpack.search(
                own["model"], name, folder=folder, **asdict(Settings(**settings)), device="cpu", **others
            )
        return sltpack.train(
            own["model"], name, folder=folder, **asdict(TrainingSettings(**settings)), device="cpu", **others
        )


def write_graph(path: Path) -> None:
    """Writes a graph whose training and validation parts can be halved."""
    part, random = torch.arange(90) % 3, torch.Generator().manual_seed(0)
    tensors = {
        "edge_index": torch.randint(0, 90, (2, 200), generator=random),
        "x": torch.randn(90, 6, generator=random),
        "y": torch.arange(90) % 4,
        **{f"{name}_mask": part == number for number, name in enumerate(("train", "val", "test"))},
    }
    save_file(tensors, path)


@contextlib.contextmanager
def fewer_images(count: int | None) -> Iterator[None]:
    load = data.load

    def few(*arguments: Any) -> DataSet:
        images = load(*arguments)
        return replace(images, train=images.train.take(slice(0, count)))

    data.load = few
    try:
        yield
    finally:
        data.load = load


def sha256(*tensors: torch.Tensor) -> str:
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


def main(folder: Path) -> None:
    """Makes all calls in one process of torchrun's, and writes what came of them."""
    index = int(os.environ["RANK"])
    sys.path.append(str(folder))
    steps: list[str] = []
    step, apply = Stepper.step, SearchMethod.apply

    def noting_step(stepper: Stepper, *arguments: Any) -> Any:
        taken = step(stepper, *arguments)
        if stepper.method.learns:
            steps.append(sha256(*stepper.optimizer.param_groups[0]["params"]))
        return taken

    def noting_apply(popup: SearchMethod) -> None:
        apply(popup)
        steps.append(f"supermask {sha256(*popup.planes().values())}")

    Stepper.step = noting_step  # type: ignore[method-assign]
    SearchMethod.apply = noting_apply  # type: ignore[method-assign]
    found: dict[str, Any] = {"norm": normalised(index)}
    # Only the first has this folder; and one of them is in use.
    place = folder / ("elsewhere" if index else "leader")
    for name, call in [*CALLS.items(), *WRONG.items(), ("in use", CALLS["few"])]:
        steps.clear()
        try:
            kept = called(folder, place / ("few" if name == "in use" else name), call, index)
        except SltpackError as error:
            found[name] = {"error": str(error)}
        else:
            found[name] = {"metrics": kept.metrics, "steps": [*steps]}
    (folder / f"found{index}.json").write_text(json.dumps(found))


def normalised(index: int) -> dict[str, Any]:
    """What a BatchNorm layer does with this process's half of a batch."""
    layer, images = norm_and_images()
    with team(torch.device("cpu")) as processes:
        joined = processes.join(layer)
        own = images[processes.share.of(len(images))].clone().requires_grad_()
        result = joined(own)
        (result**3).mean().backward()
        assert own.grad is not None and layer.weight.grad is not None and layer.bias.grad is not None
        # The loss of one process is the mean of those of both.
        parts = {"result": result, "of images": own.grad / processes.share.count}
        whole = {"of weight": layer.weight.grad, "of bias": layer.bias.grad}
        whole |= dict(layer.named_buffers())
    return {name: value.detach().tolist() for name, value in {**parts, **whole}.items()}


def norm_and_images() -> tuple[nn.BatchNorm2d, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    layer = nn.BatchNorm2d(3)
    with torch.no_grad():
        layer.weight.copy_(torch.rand(3, generator=random))
        layer.bias.copy_(torch.rand(3, generator=random))
    return layer, 5 + 2 * torch.randn(6, 3, 4, 4, generator=random)


def main_of_command(folder: Path, words: list[str]) -> None:
    """Runs the command; the second process is killed in the second epoch of its first life."""
    if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        times = itertools.count(1)
        step: Callable[..., Any] = torch.optim.SGD.step

        def last_step(optimizer: torch.optim.SGD) -> None:
            step(optimizer)
            if next(times) == 25:
                (folder / "killed").write_text((folder / "run" / METRICS).read_text())
                os.kill(os.getpid(), signal.SIGKILL)

        torch.optim.SGD.step = last_step  # type: ignore[method-assign, assignment]
    sys.argv = ["sltpack", *words]
    runpy.run_module("sltpack", run_name="__main__")


def torchrun(*words: object, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs something in two processes; one that hangs fails the test."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    process = subprocess.Popen(
        [*command, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.terminate()  # it ends its processes before itself
        output, errors = process.communicate(timeout=60)
        pytest.fail(f"torchrun hangs: {output}{errors}")
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plan was carried out by two processes."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "smooth_model.py").write_text(BUILDER)
    write_graph(folder / "own.safetensors")
    done = torchrun(__file__, folder)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both processes tell."""
    first, second = (json.loads((folder / f"found{index}.json").read_text()) for index in (0, 1))
    return first, second


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Callable[[str], Kept]]:
    """Makes a call of the plan in one process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        yield lambda name: called(folder, tmp_path_factory.mktemp("alone") / name, CALLS[name])


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search by the command, in two processes."""
    folder = tmp_path_factory.mktemp("command") / "run"
    done = torchrun("-m", "sltpack", *COMMAND, *OPTIONS, "-o", folder)
    assert done.returncode == 0, done.stderr
    found, following = done.stdout.splitlines()  # the first process's
    assert found.startswith(f"{folder / BEST}: epoch ")
    assert following.startswith("next: sltpack pack ")
    return folder


def differing_bits(one: Kept, other: Kept) -> tuple[int, int]:
    """How many bits of two supermasks differ, and of how many."""
    assert isinstance(one, Checkpoint) and isinstance(other, Checkpoint)
    bits = [torch.cat(kept.layer_masks()) for kept in (one, other)]
    return int((bits[0] != bits[1]).sum()), len(bits[0])


def test_the_command_in_two_processes_gives_the_ticket_of_one(commanded: Path, tmp_path: Path) -> None:
    settings = Settings(sparsity=0.5, epochs=3, batch_size=64, precision="float32")
    one = sltpack.search("conv2", "digits", folder=tmp_path / "run", **asdict(settings), width=0.25, device="cpu")
    both = checkpoint_reader.load(commanded / BEST)
    differing, searched = differing_bits(both, one)
    # A sum over 64 images is not that of two sums over 32 in its last bit. A mask bit differs where that makes another
    # of two scores the larger that are as good as equal: none of 11,784 where this was written.
    assert searched == 11784
    assert differing <= 4
    assert torch.allclose(both.scores, one.scores, rtol=0, atol=1e-5)
    assert one.metrics["test_accuracy"] > 0.5
    for mine, theirs in zip(both.metrics["history"], one.metrics["history"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)
    assert both.metrics["test_accuracy"] == one.metrics["test_accuracy"]
    lines = [json.loads(line) for line in (commanded / METRICS).read_text().splitlines()]
    history = checkpoint_reader.load(commanded / LAST).metrics["history"]
    assert [{name: line[name] for name in entry} for line, entry in zip(lines, history, strict=True)] == history
    assert sorted(path.name for path in commanded.iterdir()) == sorted([LOCK, BEST, LAST, LOG, METRICS])


def test_batch_norm_sees_the_whole_batch(folder: Path, alone: Callable[[str], Kept]) -> None:
    one, both = alone("BatchNorm"), checkpoint_reader.load(folder / "leader" / "BatchNorm" / BEST)
    differing, searched = differing_bits(both, one)
    # None where this was written. With statistics over the half of each batch, they were 38.
    assert searched == 2084
    assert differing <= 4
    assert set(both.buffers) == set(one.buffers) != set()
    for name, values in one.buffers.items():
        assert torch.allclose(both.buffers[name], values, rtol=1e-3, atol=1e-4), name
    assert both.metrics["test_accuracy"] == pytest.approx(one.metrics["test_accuracy"], abs=0.01)


def test_a_deep_network_before_its_kinks_tell(folder: Path, alone: Callable[[str], Kept]) -> None:
    one, both = alone("resnet18"), checkpoint_reader.load(folder / "leader" / "resnet18" / BEST)
    differing, searched = differing_bits(both, one)
    # Three steps, one an epoch, which change 156 bits: none differ where this was written, and 50 with statistics over
    # the half of each batch. In 51 steps with batches of 64, they change 5,676 bits, and 3,766 of 87,524 differ. That is
    # no fault of the processes: 3,760 differ in one process that takes the images of each batch in the opposite order.
    # A value next to 0 falls on another side of a ReLU, and from there the searches part.
    assert searched == 87524
    assert differing <= 10
    assert both.metrics["loss"] == pytest.approx(one.metrics["loss"], abs=1e-4)
    assert any(name.endswith("running_mean") for name in one.buffers)
    for name, values in one.buffers.items():
        if name.endswith("running_mean"):
            assert torch.allclose(both.buffers[name], values, rtol=1e-3, atol=1e-3), name


def test_random_supermasks_in_two_processes(folder: Path, alone: Callable[[str], Kept]) -> None:
    one, both = alone("random"), checkpoint_reader.load(folder / "leader" / "random" / BEST)
    assert differing_bits(both, one)[0] == 0
    for name, values in one.buffers.items():
        assert torch.allclose(both.buffers[name], values, rtol=1e-4, atol=1e-5), name
    assert both.metrics["history"][0] == pytest.approx(one.metrics["history"][0], abs=1e-5)


def test_weight_training_in_two_processes(folder: Path, alone: Callable[[str], Kept]) -> None:
    one, both = alone("train"), checkpoint_reader.load_any(folder / "leader" / "train" / BEST)
    assert isinstance(one, TrainedNetwork) and isinstance(both, TrainedNetwork)
    assert torch.allclose(both.weights, one.weights, rtol=0, atol=1e-5)  # 4e-7 where this was written
    assert one.metrics["test_accuracy"] > 0.6
    assert both.metrics["test_accuracy"] == pytest.approx(one.metrics["test_accuracy"], abs=0.01)


def test_a_graph_in_two_processes(folder: Path, alone: Callable[[str], Kept]) -> None:
    one, both = alone("graph"), checkpoint_reader.load(folder / "leader" / "graph" / BEST)
    differing, searched = differing_bits(both, one)
    assert searched > 400
    assert differing <= 4
    for mine, theirs in zip(both.metrics["history"], one.metrics["history"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


def test_fewer_images_to_validate_than_processes(folder: Path, alone: Callable[[str], Kept]) -> None:
    one, both = alone("few"), checkpoint_reader.load(folder / "leader" / "few" / BEST)
    assert differing_bits(both, one)[0] == 0
    assert both.metrics["validation_accuracy"] == one.metrics["validation_accuracy"]
    assert both.metrics["train_accuracy"] == one.metrics["train_accuracy"]


@pytest.mark.parametrize("name", CALLS)
def test_both_processes_have_the_same_scores_and_supermasks_after_each_step(
    found: tuple[dict[str, Any], dict[str, Any]], name: str
) -> None:
    first, second = (of_process[name] for of_process in found)
    assert first == second
    moved = [step for step in first["steps"] if not step.startswith("supermask")]
    supermasks = [step for step in first["steps"] if step.startswith("supermask")]
    assert len(set(moved)) == len(moved) == {"resnet18": 3, "random": 0, "few": 3, "graph": 10}.get(name, 51)
    assert len(supermasks) > len(moved) or name == "train"


def test_only_the_first_process_writes(folder: Path) -> None:
    written = {str(path.relative_to(folder / "leader")) for path in (folder / "leader").rglob("*") if path.is_file()}
    written -= {f"{name}/{LOCK}" for name in (*CALLS, "steps too large")}
    # Of "steps too large", which fails in its first epoch, nothing stays.
    assert written == {f"{name}/{file}" for name in CALLS for file in (BEST, LAST, LOG, METRICS)}
    assert not (folder / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("odd batches", "--batch-size: expected a multiple of the 2 processes, found 33; choose another"),
        (
            "fewer images than a batch",
            "--batch-size: expected a multiple of the 2 processes, found 5, all that train; choose another",
        ),
        (
            "other seeds",
            "process 1: seeds: expected the same in all processes, found another than in process 0; start all with the same "
            "command and data",
        ),
        (
            "other models",
            "process 1: model: expected the same in all processes, found another than in process 0; start all with the same "
            "command and data",
        ),
        (
            "other data",
            "process 1: training data: expected the same in all processes, found another than in process 0; start all with "
            "the same command and data",
        ),
        (
            "in use",
            "{folder}/leader/few: expected a folder without a run, found one with checkpoints; go on with --resume, or "
            "choose another folder",
        ),
    ],
)
def test_errors_are_raised_in_all_processes_before_anything_is_done(
    folder: Path, found: tuple[dict[str, Any], dict[str, Any]], name: str, message: str
) -> None:
    for of_process in found:
        assert of_process[name] == {"error": message.format(folder=folder)}


def test_a_search_that_leads_nowhere_ends_in_all_processes(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = (of_process["steps too large"]["error"] for of_process in found)
    assert first == second
    assert first.startswith(
        "epoch 1: expected a finite loss and finite numbers in all that is trained, found a loss of "
    )


def test_batch_norm_of_two_halves_is_that_of_the_whole(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    layer, images = norm_and_images()
    images.requires_grad_()
    result = layer(images)
    (result**3).mean().backward()
    halves = [{name: torch.tensor(values) for name, values in of_process["norm"].items()} for of_process in found]
    for name, values in {"result": result, "of images": images.grad}.items():
        assert torch.allclose(torch.cat([half[name] for half in halves]), values, atol=1e-6), name
    same = {"of weight": layer.weight.grad, "of bias": layer.bias.grad, **dict(layer.named_buffers())}
    for name, values in same.items():
        assert torch.equal(halves[0][name], halves[1][name]), name
        assert torch.allclose(halves[0][name], values, atol=1e-6), name


def measured(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl but for the times in them."""
    lines = (folder / METRICS).read_text().splitlines()
    return [{**json.loads(line), "seconds": 0, "time": 0} for line in lines]


def test_a_process_that_dies_and_is_started_anew(commanded: Path, tmp_path: Path) -> None:
    again = tmp_path / "run"
    words = (*COMMAND, *OPTIONS, "-o", again, "--resume")  # where there is nothing to resume, it begins
    done = torchrun(__file__, tmp_path, *words, options=("--max-restarts", "1"))
    assert done.returncode == 0, done.stderr
    assert "a step with" not in done.stderr  # whatever the other was doing, its model is not at fault
    assert len((tmp_path / "killed").read_text().splitlines()) == 1  # epochs that were done by then
    assert measured(again) == measured(commanded)
    for name in (BEST, LAST):
        one, whole = (checkpoint_reader.load(place / name) for place in (again, commanded))
        assert torch.equal(one.scores, whole.scores)
        assert one.metrics == whole.metrics
        if name == LAST:
            assert torch.equal(one.memory["momentum_buffer"], whole.memory["momentum_buffer"])
    assert sorted(path.name for path in again.iterdir()) == sorted([LOCK, BEST, LAST, LOG, METRICS])


def test_an_error_of_the_first_process_ends_torchrun(commanded: Path) -> None:
    before = {path.name: path.read_bytes() for path in commanded.iterdir()}
    done = torchrun("-m", "sltpack", *COMMAND, *OPTIONS, "-o", commanded)
    assert done.returncode != 0
    assert not done.stdout
    lines = {line for line in done.stderr.splitlines() if line.startswith("Error: ")}
    assert lines == {
        f"Error: {commanded}: expected a folder without a run, found one with checkpoints; go on with --resume, or choose "
        "another folder"
    }
    assert {path.name: path.read_bytes() for path in commanded.iterdir()} == before


@pytest.fixture
def group_of_one() -> Iterator[None]:
    """A group in which this process is the only one."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(3), (5, 3)),
        (nn.BatchNorm1d(3, affine=False), (5, 3, 7)),
        (nn.BatchNorm2d(3, momentum=0.3, eps=0.1), (5, 3, 2, 2)),
        (nn.BatchNorm2d(3, momentum=None), (5, 3, 2, 2)),
        (nn.BatchNorm2d(3, track_running_stats=False), (5, 3, 2, 2)),
        (nn.BatchNorm3d(3), (5, 3, 2, 2, 2)),
    ],
)
def test_batch_norm_is_that_of_torch(layer: Any, shape: tuple[int, ...]) -> None:
    other = copy.deepcopy(layer)
    other.forward = _WholeBatchNorm(other, 1)
    random = torch.Generator().manual_seed(2)
    for _ in range(3):
        images = 1 + 3 * torch.randn(shape, generator=random)
        gradients = []
        for norm in (layer, other):
            own = images.clone().requires_grad_()
            norm.zero_grad()
            (norm(own) ** 3).sum().backward()
            gradients.append([own.grad, *(parameter.grad for parameter in norm.parameters())])
        for one, another in zip(*gradients, strict=True):
            assert torch.allclose(one, another, rtol=1e-4, atol=1e-4)
        assert torch.allclose(layer(images), other(images), atol=1e-5)
        for one, another in zip(layer.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.allclose(one, another, atol=1e-5)
    assert other(images.to(torch.bfloat16)).dtype == torch.bfloat16
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer.eval()(images), other.eval()(images))


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:3342\nmore",
            "torchrun: expected processes that find each other and go on together, found [/pytorch/third_party/gloo/gloo/"
            "transport/tcp/pair.cc:547] Connection closed by peer [::1]:3342; look at what ended the others; --resume "
            "goes on",
        ),
        (
            "not enough memory",
            "a step with 2 images or nodes: expected a model that can be trained on them, found RuntimeError: not enough "
            "memory; choose another --batch-size or model",
        ),
    ],
)
def test_a_step_that_fails_is_the_models_fault_or_another_processs(
    told: str, message: str, small_source: Callable[..., Source]
) -> None:
    class Failing(nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(told)

    source = small_source()
    popup = EdgePopup(models.build(source.model), source, Settings(sparsity=0.5, epochs=1), torch.device("cpu"))
    stepper = make_stepper(Failing(), popup, Settings(sparsity=0.5, epochs=1, precision="float32"))
    with pytest.raises(SltpackError) as caught:
        stepper.step(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), 0.0)
    assert str(caught.value) == message


@pytest.mark.usefixtures("group_of_one")
def test_a_batch_norm_with_a_forward_pass_of_its_own_keeps_it() -> None:
    class Own(nn.BatchNorm2d):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            return torch.ones(1)

    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), Own(1))
    Team(Share(0, 2)).join(model)
    assert isinstance(model[1].forward, _WholeBatchNorm)
    assert torch.equal(model[2](torch.zeros(1)), torch.ones(1))


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": "3"}])
def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert leads_here()
    with team(torch.device("mps")) as processes:
        assert processes is ALONE
    assert ALONE.alone and ALONE.leads
    model = nn.BatchNorm2d(3)
    assert ALONE.join(model) is model
    assert ALONE.from_leader(lambda: 3) == 3
    assert ALONE.sum(torch.tensor(3)) == 3
    ALONE.require_same({"seed": 1})


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            "mps",
            "--device mps: expected cpu or cuda for several processes, found mps; choose one of these, or a single process",
        ),
        (
            "cuda",
            "--device cuda: expected a GPU for each process of this machine, found 2 for process 2, counted from 0; lower "
            "--nproc-per-node, or choose cpu",
        ),
    ],
)
def test_devices_that_several_processes_cannot_share(
    monkeypatch: pytest.MonkeyPatch, device: str, message: str
) -> None:
    for name, value in {"WORLD_SIZE": "3", "RANK": "2", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert not leads_here()
    with pytest.raises(RequestError) as caught, team(torch.device(device)):
        pass
    assert str(caught.value) == message


def test_processes_that_do_not_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SltpackError) as caught, team(torch.device("cpu")):
        pass
    message = str(caught.value)
    assert message.startswith("torchrun: expected processes that find each other and go on together, found ")
    assert "MASTER_ADDR" in message
    assert message.endswith("; look at what ended the others; --resume goes on")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main_of_command(Path(sys.argv[1]), sys.argv[2:])
    else:
        main(Path(sys.argv[1]))
