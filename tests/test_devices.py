"""A device by name, or the reason why not."""

from __future__ import annotations

import pytest
import torch

from sltpack.devices import choose_device
from sltpack.errors import RequestError


@pytest.fixture
def only_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_fastest(only_a_processor: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("name", ["cuda", "mps", "tpu"])
def test_what_is_not_here(name: str, only_a_processor: None) -> None:
    with pytest.raises(RequestError) as caught:
        choose_device(name)
    assert str(caught.value) == (
        f"--device {name}: expected a device of this machine: cpu, found {name}; choose one of these or auto"
    )
