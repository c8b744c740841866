"""Images a second of a ticket, against the same network in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sltpack import models
from sltpack.data.images.cifar import INPUT
from sltpack.data.images.in_memory import Images
from sltpack.format.records import Ratios, Seeds
from sltpack.inference.network import build
from sltpack.inference.prediction import BATCH_SIZE, predict
from sltpack.source.network import make_source
from sltpack.tickets.ticket import Ticket

Pairs = Callable[..., None]
IMAGES = 1000


def test_infer(pairs: Pairs) -> None:
    spec = models.spec("conv6", 1.0, 10, (3, 32, 32))
    source = make_source(spec, models.shapes(spec), "skc", "layer", Seeds(1, 2), Ratios("epl", 0.25, 0.25))
    random = np.random.default_rng(3)
    model = build(Ticket.create(source, [random.random(layer.searched) < 0.5 for layer in source.layers], {}, {}))
    dense = models.build(spec).to(memory_format=torch.channels_last).eval()
    pixels = torch.from_numpy(random.integers(0, 256, (IMAGES, 32, 32, 3), np.uint8))
    images = Images(pixels, torch.zeros(IMAGES, dtype=torch.int64), (), INPUT)
    # The plain network gets what the ticket still has to make of the pixels.
    batches = [images.normalise(batch) for batch in pixels.split(BATCH_SIZE)]

    def plain() -> None:
        with torch.inference_mode():
            torch.cat([dense(batch).argmax(1) for batch in batches])

    pairs(lambda: predict(model, images), plain, "time of conv6 by the bare network", rounds=9)
