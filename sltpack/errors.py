"""The errors that sltpack raises: one sentence that says where, what was expected, what was found, what to do."""

from __future__ import annotations

_MAX_SHOWN = 200


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


class LimitError(FormatError):
    """A file asks for more than the limit that the caller set."""


class MismatchError(SltpackError):
    """Two things that are each in order do not fit together, such as a ticket and a data set."""


class DataError(SltpackError):
    """A data set is missing, incomplete or damaged."""


class OutputError(SltpackError):
    """A result could not be written; nothing was left under its final name."""


def damaged(where: object, expected: str, found: str) -> FormatError:
    """Makes the error for a file that cannot be as its writer made it.

    Args:
        where: the file, or a part of it.
        expected: what should have been there.
        found: what was there.

    Returns:
        The error; nothing helps but to get the file again.
    """
    return FormatError(where, expected=expected, found=found, remedy="the file is damaged; get it again")


def one_line(text: str, limit: int = 1000) -> str:
    """Makes a text safe to print as one line, since parts of it may come from a stranger's file.

    Args:
        text: any text.
        limit: the longest result, in characters.

    Returns:
        The text with every unprintable character escaped, cut at the limit.
    """
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


def reason(error: OSError) -> str:
    """Gives the operating system's words for what went wrong, in the form that stands within a sentence.

    Args:
        error: what it raised.

    Returns:
        A few words in lower case, such as "no such file or directory".
    """
    if isinstance(error, IsADirectoryError):
        return "a folder"
    return (error.strerror or str(error)).lower()


def shown(value: object) -> str:
    """Gives a value from a file for an error, short enough that the rest of the sentence can be read."""
    try:
        text = repr(value)
    except RecursionError:
        text = "deeply nested values"
    except ValueError:  # Python writes no whole numbers of thousands of digits
        text = "a number of too many digits"
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def require_positive(where: object, number: int | None) -> None:
    """Makes sure that a number that was asked for is at least 1.

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
