"""Errors: one safe line each, the same on the other side of a pickle, and an exit status."""

from __future__ import annotations

import copy
import pickle
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack import errors
from sltpack.errors import (
    DataError,
    ForeignError,
    FormatError,
    LimitError,
    MismatchError,
    OptionError,
    OutputError,
    RequestError,
    SltpackError,
    one_line,
    shown,
)

STATUSES = {
    SltpackError: 1,
    RequestError: 2,
    OptionError: 2,
    FormatError: 1,
    ForeignError: 1,
    LimitError: 1,
    MismatchError: 1,
    DataError: 1,
    OutputError: 1,
}


def made(kind: type[SltpackError], where: object = "m.slt") -> SltpackError:
    return kind(where, expected="one thing", found="another", remedy="do this")


def test_every_error_is_listed_here() -> None:
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds == set(STATUSES)


@pytest.mark.parametrize("kind", STATUSES)
def test_an_error_is_one_sentence(kind: type[SltpackError]) -> None:
    error = made(kind)
    assert str(error) == "m.slt: expected one thing, found another; do this"
    assert isinstance(error, SltpackError)
    assert error.exit_status == STATUSES[kind]


def test_a_limit_is_a_matter_of_format() -> None:
    assert isinstance(made(LimitError), FormatError)


def test_the_place_may_be_anything_that_has_a_text() -> None:
    assert str(made(FormatError, 7)).startswith("7: expected")


@pytest.mark.parametrize("kind", STATUSES)
def test_errors_travel_between_processes(kind: type[SltpackError]) -> None:
    error = made(kind)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is kind
        assert str(other) == str(error)
        assert (other.where, other.expected, other.found, other.remedy) == ("m.slt", "one thing", "another", "do this")


def test_what_a_file_says_cannot_steer_the_terminal() -> None:
    error = FormatError("m.slt\n", expected="a\x1b[31mb", found="\r\x07\x85\u2028\ud800", remedy="läuft ok")
    assert str(error) == (
        r"m.slt\n: expected a\x1b[31mb, found \r\x07\x85\u2028\ud800; läuft ok"  # no character of it is obeyed
    )


@pytest.mark.parametrize(
    "text, line",
    [
        ("plain", "plain"),
        ("a\nb\tc\0d", r"a\nb\tc\x00d"),
        ("\u202egnp.exe", r"\u202egnp.exe"),  # right to left
        ("\U000e0041", r"\U000e0041"),
        ("ö €", "ö €"),
        ("", ""),
    ],
)
def test_one_line_escapes_what_cannot_be_seen(text: str, line: str) -> None:
    assert one_line(text) == line


def test_one_line_cuts_at_its_limit() -> None:
    assert one_line("x" * 1000) == "x" * 1000
    assert one_line("x" * 1001) == "x" * 997 + "..."
    assert one_line("\n" * 10, limit=9) == r"\n\n\n" + "..."


@given(st.text(st.characters()), st.integers(3, 60))
@settings(deadline=None, derandomize=True)
def test_one_line_is_always_printable_and_short(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert not any(unicodedata.category(character)[0] == "C" for character in line)
    line.encode("utf-8")


def test_what_is_damaged() -> None:
    error = errors.damaged("file.slt", "3 bytes", "2")
    assert type(error) is errors.FormatError
    assert str(error) == "file.slt: expected 3 bytes, found 2; the file is damaged; get it again"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -5,
        1.5,
        "a'b",
        b"x",
        [],
        (),
        {},
        (1,),
        [1, "a", None],
        {"a": [1, (2, 3)], 5: {}},
        {7},
        set(),
        frozenset({1}),
        "x" * 198,
        2**900,
    ],
)
def test_what_is_shown_is_what_python_shows(value: object) -> None:
    text = repr(value)
    assert shown(value) == (text if len(text) <= 200 else text[:197] + "...")


def test_what_is_shown_costs_no_more_than_it_is_long() -> None:
    doubled: object = [1]
    for _ in range(40):
        doubled = [doubled, doubled]
    nested: tuple[object, ...] = ()
    for _ in range(1_000_000):
        nested = (nested,)
    assert len(shown(doubled)) == 200
    assert shown(nested) == "(" * 20 + "..." + ",)" * 20
    assert shown([0] * 10**6) == shown([0] * 300)
    assert shown({n: n for n in range(10**5)}).endswith("...")
    assert shown("\n" * 10**7) == shown("\n" * 300)
    assert shown({"a": 10**5000}) == "{'a': a number of too many digits}"
    while nested:  # from the outside, since Python would free it in a recursion
        nested = nested[0]  # type: ignore[assignment]


def test_one_line_looks_at_no_more_than_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(str):
        cut: int | None = None

        def __getitem__(self, place: object) -> str:
            assert isinstance(place, slice)
            Counted.cut = place.stop
            return str(self)[place]

    assert one_line(Counted("\n" * 10**6), 9) == r"\n\n\n" + "..."
    assert Counted.cut == 10
