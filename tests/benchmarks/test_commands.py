"""How long `sltpack info` takes to answer, against a process that only imports the library for command lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sltpack import models
from sltpack.format.records import Ratios, Seeds
from sltpack.source.network import make_source
from sltpack.tickets.storage import save
from sltpack.tickets.ticket import Ticket

Pairs = Callable[..., None]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_info(pairs: Pairs, tmp_path: Path, options: tuple[str, ...]) -> None:
    spec = models.spec("conv6", 1.0, 10, (3, 32, 32))
    source = make_source(spec, models.shapes(spec), "skc", "layer", Seeds(1, 2), Ratios("epl", 0.25, 0.25))
    masks = [np.arange(layer.searched) % 2 == 0 for layer in source.layers]
    save(Ticket.create(source, masks, {}, {}), tmp_path / "model.slt")

    def process(*words: str) -> None:
        subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)

    pairs(
        lambda: process("-m", "sltpack", "info", "model.slt", *options),
        lambda: process("-c", "import click"),
        " ".join(("sltpack info", *options, "by import click")),
        rounds=15,
    )
