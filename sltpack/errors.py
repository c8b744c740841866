"""The errors that sltpack raises: one sentence that says where, what was expected, what was found, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

_MAX_SHOWN = 200
_MAX_DEPTH = 20
_MAX_BITS = 1000
_BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), dict: ("{", "}"), set: ("{", "}")}


class SltpackError(Exception):
    """Base of every error that sltpack raises on purpose.

    Args:
        where: the file, option or layer that is at fault.
        expected: what should have been there.
        found: what was there.
        remedy: what the reader can do about it.
    """

    exit_status = 1

    def __init__(self, where: object, *, expected: str, found: str, remedy: str) -> None:
        self.where = str(where)
        self.expected = expected
        self.found = found
        self.remedy = remedy
        super().__init__(self.where, expected, found, remedy)

    def within(self, place: object) -> SltpackError:
        """Return the same error with the place that it is in, such as a file, named in front unless it is already.

        Args:
            place: such as the name of a file.
        """
        if self.where.startswith(str(place)):
            return self
        where = f"{place}: {self.where}"
        return type(self)(where, expected=self.expected, found=self.found, remedy=self.remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.where, self.expected, self.found, self.remedy)

    def __str__(self) -> str:
        return one_line(f"{self.where}: expected {self.expected}, found {self.found}; {self.remedy}")


class RequestError(SltpackError):
    """Something was asked for that cannot be, such as an unreachable sparsity: the call is wrong, not a file."""

    exit_status = 2


class OptionError(RequestError):
    """A parameter has a value that it cannot have; `where` is its name, which the command line spells as a flag.

    Within the sentence, parameters stand between backquotes, likewise for the command line to spell.
    """


class FormatError(SltpackError):
    """A file is not what it claims to be: cut, damaged, inconsistent or of an unknown version."""


class ForeignError(FormatError):
    """A file is whole, but another tool's."""


class LimitError(FormatError):
    """A file asks for more than the limit that the caller set."""


class MismatchError(SltpackError):
    """Two things that are each in order do not fit together, such as a ticket and a data set."""


class DataError(SltpackError):
    """A data set is missing, incomplete or damaged."""


class OutputError(SltpackError):
    """A result could not be written; nothing was left under its final name."""


def damaged(where: object, expected: str, found: str) -> FormatError:
    """Make the error for a file that cannot be as its writer made it.

    Args:
        where: the file, or a part of it.
        expected: what should have been there.
        found: what was there.

    Returns:
        The error; nothing helps but to get the file again.
    """
    return FormatError(where, expected=expected, found=found, remedy="the file is damaged; get it again")


def one_line(text: str, limit: int = 1000) -> str:
    """Make a text safe to print as one line, since parts of it may come from a stranger's file.

    Args:
        text: any text.
        limit: the longest result, in characters.

    Returns:
        The text with every unprintable character escaped, cut at the limit.
    """
    # Cut first: what is escaped is never shorter, and a stranger's text can be a whole file.
    head = text[: limit + 1]
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


def reason(error: OSError) -> str:
    """Return the operating system's words for what went wrong, in the form that stands within a sentence.

    Args:
        error: what it raised.

    Returns:
        A few words in lower case, such as "no such file or directory".
    """
    if isinstance(error, IsADirectoryError):
        return "a folder"
    return (error.strerror or str(error)).lower()


def shown(value: object) -> str:
    """Return a value from a file for an error, short enough that the rest of the sentence can be read.

    Args:
        value: anything; of lists, tuples and dictionaries, no more is looked at than is shown, since a small file can
            hold some that would never end.

    Returns:
        What `repr` has for it, cut to 200 characters.
    """
    text = ""
    for piece in _pieces(value, 0):
        text += piece
        if len(text) > _MAX_SHOWN:
            return text[: _MAX_SHOWN - 3] + "..."
    return text


def _pieces(value: object, depth: int) -> Iterator[str]:
    """Spell a value as `repr` does, piece by piece."""
    kind = type(value)
    brackets = _BRACKETS.get(kind)
    if brackets is not None and depth == _MAX_DEPTH:
        yield "..."
    elif brackets is not None and value:
        yield brackets[0]
        for number, item in enumerate(cast("Iterable[object]", value)):
            yield ", " if number else ""
            yield from _pieces(item, depth + 1)
            if kind is dict:
                yield ": "
                yield from _pieces(cast("dict[object, object]", value)[item], depth + 1)
        yield ",)" if kind is tuple and len(cast("tuple[object, ...]", value)) == 1 else brackets[1]
    elif kind in (str, bytes):
        yield repr(cast("str | bytes", value)[: _MAX_SHOWN + 1])
    elif kind is int and abs(cast("int", value)) >> _MAX_BITS:
        yield "a number of too many digits"  # Python takes a time that grows with their square, or refuses
    else:
        try:
            yield repr(value)
        except (RecursionError, ValueError):
            yield f"a value of type {kind.__name__}"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the remedy for a name that is misspelt.

    Args:
        name: as it was given.
        known: the names that there are.

    Returns:
        Such as "did you mean conv6?"; None where no name is like it.
    """
    import difflib

    spelt = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower()[:_MAX_SHOWN], spelt, n=1)
    return f"did you mean {spelt[found[0]]}?" if found else None


def require_positive(where: object, number: int | None) -> None:
    """Make sure that a number that was asked for is at least 1.

    Args:
        where: the option it was given by.
        number: the number, or None where none was given.

    Raises:
        RequestError: it is less.
    """
    if number is not None and number < 1:
        raise RequestError(where, expected="at least 1", found=f"{number}", remedy="choose a larger one")


def _rebuild(kind: type[SltpackError], where: str, expected: str, found: str, remedy: str) -> SltpackError:
    return kind(where, expected=expected, found=found, remedy=remedy)
