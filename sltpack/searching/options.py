"""What a field of a request says of itself, in one place: its help, its range, its name on the command line.

The checks of a request, the options of the commands and those of a plan are all made from it, so that a new option is
one field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from ..errors import OptionError
from ..format.records import SEED_LIMIT


@dataclass(frozen=True)
class Option:
    """What is known of an option.

    Attributes:
        help: what it does, as `--help` says it.
        group: under which it is listed there.
        kind: of its value: int, float, bool or str.
        choices: the values that it can have; any where there are none.
        least: the smallest number that it can be.
        above: the number that it has to be larger than.
        most: the largest number that it can be.
        below: the number that it has to be smaller than.
        flag: its name on the command line and in plans, where that is not the field's.
        words: texts that it can have in place of a number.
        is_path: whether a text is a folder's name.
        variable: of the environment, that says it where nothing else does.
    """

    help: str
    group: str
    kind: type = str
    choices: tuple[str, ...] = ()
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    flag: str | None = None
    words: tuple[str, ...] = ()
    is_path: bool = False
    variable: str | None = None

    @property
    def expected(self) -> str:
        """What its value has to be, in words."""
        if self.choices:
            return ", ".join(self.choices[:-1]) + f" or {self.choices[-1]}"
        if self.most == SEED_LIMIT - 1:
            return "an integer in 0..2^64 - 1"
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a text"
        if self.kind is int:
            return "a whole number" if self.least is None else f"at least {self.least:g}"
        if self.below is not None:
            return f"a number from {self.least:g} to below {self.below:g}"
        if self.most == 1 and self.least == 0:
            return "a share in 0..1"
        if self.most is not None:
            return f"a number above {self.above:g} and up to {self.most:g}"
        return f"a finite number above {self.above:g}" if self.least is None else "a finite number from 0 on"

    def fits(self, value: object) -> bool:
        """Tell whether a value is one that the option can have."""
        if self.choices or value in self.words:
            return value in (*self.choices, *self.words)
        if self.kind in (bool, str):
            return isinstance(value, self.kind)
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        limits = (
            self.least is None or value >= self.least,
            self.above is None or value > self.above,
            self.most is None or value <= self.most,
            self.below is None or value < self.below,
        )
        return all(limits)

    def require(self, name: str, value: object) -> None:
        """Make sure that a value is one that the option can have; None stands for what is left open.

        Raises:
            OptionError: it is not; the error names the option.
        """
        if value is not None and not self.fits(value):
            raise OptionError(name, expected=self.expected, found=f"{value}", remedy="choose another")


def option(help: str, group: str, kind: type = str, *, default: Any = MISSING, **more: Any) -> Any:
    """Make a field of a request that says what it is, as `Option` does."""
    return field(default=default, metadata={"option": Option(help, group, kind, **more)})


def seed(help: str, *, default: int | None = None) -> Any:
    """Make a field for a seed."""
    return option(help, "seeds", int, default=default, least=0, most=SEED_LIMIT - 1)


def options_of(request: Any) -> Mapping[str, Option]:
    """Return the options of a request or of its class, by the names of its fields.

    Args:
        request: a dataclass with fields made by `option`, or an instance of it.
    """
    return {own.name: own.metadata["option"] for own in fields(request) if "option" in own.metadata}


def require_fitting(request: Any) -> None:
    """Make sure that every option has a value that it can have; None stands for what is left open.

    Args:
        request: an instance of a dataclass with fields made by `option`.

    Raises:
        OptionError: one has not; the error names the field.
    """
    for name, known in options_of(request).items():
        known.require(name, getattr(request, name))
