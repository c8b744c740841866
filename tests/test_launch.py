"""What torchrun says in variables."""

from __future__ import annotations

import pytest

from sltpack import launch
from sltpack.errors import RequestError

NUMBERS = {
    "WORLD_SIZE": launch.count_processes,
    "LOCAL_WORLD_SIZE": launch.count_local_processes,
    "LOCAL_RANK": launch.local_rank,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_not_said_or_empty_is_one_process(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name, raising=False)
    alone = NUMBERS[name]()
    assert alone == (0 if name == "LOCAL_RANK" else 1)
    for text in ("", " "):
        monkeypatch.setenv(name, text)
        assert NUMBERS[name]() == alone
    monkeypatch.setenv(name, "3")
    assert NUMBERS[name]() == 3


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["-1", "two", "1.5", "٣", "9" * 5000])
def test_what_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(RequestError) as caught:
        NUMBERS[name]()
    assert str(caught.value).startswith(f"{name}: expected a whole number of at least ")


def test_no_processes_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "0")
        with pytest.raises(RequestError) as caught:
            NUMBERS[name]()
        assert str(caught.value) == (
            f"{name}: expected a whole number of at least 1, as torchrun sets it, found '0'; "
            "start several processes by torchrun, or unset the variable"
        )


def test_who_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("RANK", "1")
    assert launch.leads_here()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not launch.leads_here()
    monkeypatch.setenv("RANK", "")
    assert launch.leads_here()
