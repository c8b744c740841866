"""The blocks of docs/tutorial.md run as one program."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"


def test_the_tutorial_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    module = ModuleType("tutorial")
    with torch.random.fork_rng():
        for block in blocks:
            exec(compile(block, PAGE.name, "exec"), vars(module))
    told = capsys.readouterr().out
    assert "epoch 5: validation accuracy " in told
    assert "<Ticket tutorial:Net: " in told
    assert "conv1: 144 weights, " in told
