"""One step of the search against one of weight training: same dense network, batch, precision, in turns.

Both are set up by the code that a run uses, and take whole steps, the augmentation and the choice of images included.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from sltpack import models
from sltpack.data.dataset import Batch
from sltpack.data.images.cifar import CIFAR10_CLASSES, INPUT
from sltpack.data.images.in_memory import Images
from sltpack.format.records import Ratios, Seeds
from sltpack.inference.devices import choose_device, multiplies_bfloat16
from sltpack.models.layers import channels_last
from sltpack.searching.methods.edge_popup import EdgePopup
from sltpack.searching.methods.weight_training import WeightTraining
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.searching.steps import Method, make_stepper
from sltpack.source.network import make_source
from sltpack.source.ratios import place

Pairs = Callable[..., None]
BATCH = 128
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DEVICE = choose_device("auto")
PRECISION = "bfloat16" if multiplies_bfloat16(DEVICE) else "float32"


def batches() -> Iterator[Batch]:
    """Batches without end of random pictures of CIFAR's shape: what a step costs does not depend on what is seen."""
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (20 * BATCH, 32, 32, 3), np.uint8))
    labels = torch.from_numpy(random.integers(0, 10, len(pixels)))
    images = Images(pixels, labels, CIFAR10_CLASSES, INPUT).to(DEVICE)
    for epoch in itertools.count():
        yield from images.training_batches(random.permutation(len(images)), BATCH, [epoch])


def steps(
    name: str, freeze: float | None, precision: str = PRECISION, plain: bool = False, compiled: bool = False
) -> Callable[[], object]:
    """Gives what takes one step: of weight training where there is no freezing ratio."""
    spec = models.spec(name, 1.0, 10, (3, 32, 32))
    model = models.build(spec).to(DEVICE).train()
    layout = torch.contiguous_format if plain else torch.channels_last
    ratios = Ratios("epl", *place(0.5, freeze or 0.0))
    method: Method
    settings: TrainingSettings
    if freeze is None:
        source = make_source(spec, models.shapes(spec), "skc", "none", Seeds(0, 0), Ratios("epl", 0.0, 0.0))
        settings = TrainingSettings(epochs=1, learning_rate=1e-4, precision=precision)
        method = WeightTraining(model.to(memory_format=layout), source)  # type: ignore[call-overload]
    else:
        source = make_source(spec, models.shapes(spec), "skc", "layer", Seeds(0, 0), ratios)
        settings = Settings(sparsity=0.5, epochs=1, precision=precision)
        method = EdgePopup(channels_last(model), source, Settings(sparsity=0.5, epochs=1), DEVICE)
    network = torch.compile(model) if compiled else model
    stepper, several = make_stepper(network, method, settings), batches()  # type: ignore[arg-type]

    def step() -> None:
        images, labels = next(several)
        stepper.step(images.contiguous(memory_format=layout), labels, 0.0)
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return step


@pytest.fixture(autouse=True)
def all_cores() -> Iterator[None]:
    """Takes every core, as the command does; the other tests take one."""
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("freeze", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("model", ["conv6", "resnet18"])
def test_a_step_of_the_search(pairs: Pairs, model: str, freeze: float) -> None:
    how = f"{PRECISION}, batch {BATCH}, " + (f"{CORES} threads" if DEVICE.type == "cpu" else str(DEVICE))
    what = f"step of the search of {model}, f = {freeze}, by one of weight training ({how})"
    pairs(steps(model, freeze), steps(model, None), what, rounds=31 if model == "conv6" else 7)


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("plain memory layout, float32", {"plain": True, "precision": "float32"}),
        ("channels-last, float32", {"precision": "float32"}),
        ("channels-last, bfloat16, compiled", {"compiled": True, "precision": "bfloat16"}),
    ],
)
@pytest.mark.parametrize("model", ["conv6", "resnet18"])
def test_a_step_of_weight_training_in_other_ways(
    pairs: Pairs, model: str, what: str, options: dict[str, object]
) -> None:
    of_what = f"step of weight training of {model}, {what}, by channels-last, {PRECISION}, not compiled"
    pairs(steps(model, None, **options), steps(model, None), of_what, rounds=7)  # type: ignore[arg-type]
