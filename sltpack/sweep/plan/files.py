"""A plan as a TOML file: what every run of a sweep has in common, and what varies (docs/sweep.md)."""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import FormatError, LimitError, RequestError, SltpackError, reason, shown
from ...files import open_plain
from ...limits import PLAN_BYTES, PLAN_KEY_PARTS, PLAN_POINTS
from .bundled import locate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = str | int | float | bool
"""Of an option."""

TOGETHER = ":"
"""Between the options of one axis that change together, as in "prune:lock"."""
_KEYS = ("about", "fixed", "axes", "grid")
_GRID_KEYS = ("command", "name", "fixed", "axes")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_REMEDY = "correct the plan as docs/sweep.md says"
_MODEL = "model"
"""The option whose value may name a function of the user's own, whose code is run."""
_OF_CODE = ":"
"""What stands in the name of such a function, and in no name of a model of sltpack."""
_TOKEN = re.compile(r"""(?P<name>[\w-]+|"[^"\n]*"|'[^'\n]*')|(?P<dot>\.)|(?P<space>[ \t]+)|.""", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """What is known of an option of a command.

    Attributes:
        expected: its values, in words.
        fits: whether a value is one of them.
    """

    expected: str
    fits: Callable[[object], bool]


Commands = Mapping[str, Mapping[str, Option]]
"""The commands that a point can be a run of, and the options of each by the names of the command line."""


@dataclass(frozen=True)
class Axis:
    """Options that change together, or one alone.

    Attributes:
        options: their names.
        values: one tuple for each place on the axis, with a value for each option.
    """

    options: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Grid:
    """Points of one command: every combination of the places on some axes.

    Attributes:
        command: "search" or "train".
        name: what the names of its points begin with; empty where the plan gives none.
        fixed: what all of them have, by option.
        axes: what varies.
    """

    command: str
    name: str
    fixed: Mapping[str, Value]
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Plan:
    """A plan.

    Attributes:
        where: the file, or its name in the package.
        about: what it is for.
        grids: its points, at least one grid.
    """

    where: str
    about: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Limits:
    """How much a plan may ask for.

    Attributes:
        bytes: of its file.
        points: of all its grids together.
    """

    bytes: int = PLAN_BYTES
    points: int = PLAN_POINTS


def read(
    name: str,
    commands: Commands,
    changes: Sequence[tuple[str, object]] = (),
    *,
    allowed: Collection[str] = (),
    limits: Limits | None = None,
) -> Plan:
    """Read a plan.

    Args:
        name: the file's path, or the name of a plan in the package.
        commands: what its points can be runs of.
        changes: options, or some that change together, as on an axis, and their values, which take the place of what
            the plan says of these options in every grid whose command has them; a list becomes an axis.
        allowed: models of the user's own, "package.module:builder", that the plan may name: to use one is to run its
            code. Those that a change names are allowed too.
        limits: how much the plan may ask for; without them, what `sltpack.limits` says.

    Returns:
        The plan, every option known and every value of its type.

    Raises:
        RequestError: there is no such file, a change is of no option or of one that another is of too, or the plan
            names code that is not allowed.
        FormatError: it is no plan: no TOML, an unknown key, an empty axis, or something of another type.
        LimitError: it asks for more than the limits.
    """
    path, limits = locate(name), limits or Limits()
    values = _parsed(name, _text(path, limits.bytes))
    return _plan(name, values, commands, changes, {*allowed, *_models_of(changes)}, limits)


def value_of(text: str) -> object:
    """Read a value as it would stand in a plan; what is none there is a text.

    Args:
        text: as it was given on the command line.

    Returns:
        A number, true or false, a list, or a text.
    """
    try:
        values = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return values["value"] if set(values) == {"value"} else text


def _text(path: Path, most: int) -> bytes:
    try:
        with open_plain(path) as stream:
            data = stream.read(most + 1)
    except OSError as error:
        remedy = "check the name, or take a plan of the package: sltpack sweep --help names them"
        raise RequestError(path, expected="a plan, a TOML file", found=reason(error), remedy=remedy) from error
    if len(data) > most:
        remedy = "make several plans of it, or raise --max-plan-bytes"
        raise LimitError(path, expected=f"a plan of at most {most} bytes", found="more", remedy=remedy)
    return data


def _parsed(where: str, data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")  # some editors of Windows begin a file with a byte-order mark
        _require_short_keys(where, text)
        return tomllib.loads(text)
    except RecursionError as error:
        raise FormatError(
            where, expected="a plan, a TOML file", found="deeply nested values", remedy=_REMEDY
        ) from error
    except ValueError as error:  # of the text's encoding too
        found = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a file that is no TOML"
        raise FormatError(where, expected="a plan, a TOML file", found=found, remedy=_REMEDY) from error


def _require_short_keys(where: str, text: str) -> None:
    """Refuse a key of many names, which would keep the reader of TOML busy for minutes."""
    names = 0
    joined = False
    for token in _TOKEN.finditer(text):
        if token["name"]:
            names = names + 1 if joined else 1
            joined = False
            if names > PLAN_KEY_PARTS:
                raise LimitError(
                    where,
                    expected=f"keys of at most {PLAN_KEY_PARTS} names joined by dots",
                    found=f"a longer one, at character {token.start() + 1}",
                    remedy=_REMEDY,
                )
        elif not token["space"]:
            joined = bool(token["dot"])


def _models_of(changes: Sequence[tuple[str, object]]) -> Iterator[str]:
    """List the models that changes name."""
    for name, value in changes:
        options = name.split(TOGETHER)
        if _MODEL not in options:
            continue
        for place in value if isinstance(value, list) else [value]:
            chosen = place if isinstance(place, list) else [place]
            yield from (str(found) for option, found in zip(options, chosen, strict=False) if option == _MODEL)


def _plan(
    where: str,
    values: Mapping[str, Any],
    commands: Commands,
    changes: Sequence[tuple[str, object]],
    allowed: Collection[str],
    limits: Limits,
) -> Plan:
    _require_keys(where, values, _KEYS)
    about = values.get("about", "")
    if not isinstance(about, str):
        raise _unfit(f"{where}: about", "a text", about)
    listed = values.get("grid", [{}])
    if not isinstance(listed, list) or not listed or not all(isinstance(grid, dict) for grid in listed):
        raise _unfit(f"{where}: grid", "tables, each under [[grid]]", listed)
    shared = _Said.of(where, values)
    changed = _changes(changes, commands)
    grids = []
    points = 0
    for number, own in enumerate(listed, 1):
        place = f"{where}: grid {number}"
        _require_keys(place, own, _GRID_KEYS)
        command, name = own.get("command", "search"), own.get("name", "")
        if command not in commands:
            raise _unfit(f"{place}: command", " or ".join(commands), command)
        if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
            raise _unfit(f"{place}: name", "up to 64 letters, digits and _ . + -", name)
        known = {names: value for names, value in changed.items() if set(names) <= set(commands[command])}
        said = _Said.of(place, own).over(shared).changed(known)
        points += said.count()
        if points > limits.points:
            raise LimitError(
                where,
                expected=f"at most {limits.points} points",
                found="more",
                remedy="make several plans of it, or raise --max-points",
            )
        grids.append(said.grid(command, name, commands[command], allowed))
    return Plan(where, about, tuple(grids))


def _changes(told: Sequence[tuple[str, object]], commands: Commands) -> dict[tuple[str, ...], object]:
    """Return changes by the options that they are of."""
    changes: dict[tuple[str, ...], object] = {}
    seen: set[str] = set()
    for name, value in told:
        options = tuple(name.split(TOGETHER))
        if not any(set(options) <= set(known) for known in commands.values()):
            raise RequestError(
                f"--set {name}", expected="an option of a run", found="none of that name", remedy="check the name"
            )
        if seen & set(options) or len(set(options)) < len(options):
            raise RequestError(
                f"--set {name}", expected="each option once", found="one of them twice", remedy="leave one of them out"
            )
        seen.update(options)
        changes[options] = value
    return changes


@dataclass(frozen=True)
class _Said:
    """What a plan, or a grid of it, says of options; each with where it is said."""

    fixed: Mapping[str, tuple[str, object]]
    axes: Mapping[tuple[str, ...], tuple[str, object]]

    @classmethod
    def of(cls, where: str, values: Mapping[str, Any]) -> _Said:
        tables: dict[str, dict[str, object]] = {}
        for name in ("fixed", "axes"):
            table = values.get(name, {})
            if not isinstance(table, dict):
                raise _unfit(f"{where}: {name}", f"a table, under [{name}]", table)
            tables[name] = table
        said = cls(
            {name: (f"{where}: fixed: {name}", value) for name, value in tables["fixed"].items()},
            {tuple(name.split(TOGETHER)): (f"{where}: axes: {name}", value) for name, value in tables["axes"].items()},
        )
        for name, times in Counter([*said.fixed, *(option for options in said.axes for option in options)]).items():
            if times > 1:
                raise FormatError(
                    f"{where}: {name}",
                    expected="each option once, fixed or in an axis",
                    found="it twice",
                    remedy=_REMEDY,
                )
        return said

    def without(self, options: Sequence[str]) -> _Said:
        """Leave out what is said of some options, and of those that change together with one of them."""
        others = set(options)
        axes = {names: value for names, value in self.axes.items() if others.isdisjoint(names)}
        return _Said({name: value for name, value in self.fixed.items() if name not in others}, axes)

    def over(self, shared: _Said) -> _Said:
        """Add what is said for all grids, where nothing is said here."""
        own = [*self.fixed, *(option for options in self.axes for option in options)]
        rest = shared.without(own)
        return _Said({**rest.fixed, **self.fixed}, {**self.axes, **rest.axes})

    def changed(self, changes: Mapping[tuple[str, ...], object]) -> _Said:
        """Say other values of some options."""
        rest = self.without([option for names in changes for option in names])
        fixed, axes = dict(rest.fixed), dict(rest.axes)
        for names, value in changes.items():
            told = (f"--set {TOGETHER.join(names)}", value)
            if isinstance(value, list) or len(names) > 1:
                axes[names] = told
            else:
                fixed[names[0]] = told
        return _Said(fixed, axes)

    def count(self) -> int:
        """Count the points, before anything is known of the values."""
        return math.prod(len(places) for _, places in self.axes.values() if isinstance(places, list))

    def grid(self, command: str, name: str, options: Mapping[str, Option], allowed: Collection[str]) -> Grid:
        def checked(where: str, option: str, value: object) -> Value:
            found = _checked(where, command, option, value, options)
            if option == _MODEL and _OF_CODE in str(found) and found not in allowed:
                raise _unallowed(where, str(found))
            return found

        fixed = {option: checked(where, option, value) for option, (where, value) in self.fixed.items()}
        axes = tuple(
            Axis(
                names,
                tuple(
                    tuple(checked(where, option, value) for option, value in zip(names, place, strict=True))
                    for place in _places(where, places, len(names))
                ),
            )
            for names, (where, places) in self.axes.items()
        )
        return Grid(command, name, fixed, axes)


def _places(where: str, values: object, options: int) -> list[list[object]]:
    """Return the places of an axis, each as a list with a value for each of its options."""
    if not isinstance(values, list):
        raise _unfit(where, "a list of values", values)
    if not values:
        raise FormatError(where, expected="at least one value", found="an empty axis", remedy=_REMEDY)
    if options == 1:
        return [[value] for value in values]
    for value in values:
        if not isinstance(value, list) or len(value) != options:
            raise _unfit(where, f"lists of {options} values, one for each option", value)
    return values


def _checked(where: str, command: str, name: str, value: object, options: Mapping[str, Option]) -> Value:
    option = options.get(name)
    if option is None:
        raise FormatError(
            where,
            expected=f"an option of sltpack {command} that a plan can set",
            found=shown(name),
            remedy=f"sltpack {command} --help names them",
        )
    if not isinstance(value, str | int | float | bool) or not option.fits(value):
        raise _unfit(where, option.expected, value)
    return value


def _unallowed(where: str, model: str) -> RequestError:
    return RequestError(
        where,
        expected="a model of sltpack, or one of your own that the command line names too",
        found=shown(model),
        remedy=f"its code would be run: where you trust it, add --allow-model {shlex.quote(model)}",
    )


def _require_keys(where: str, values: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in values:
        if key not in known:
            raise FormatError(where, expected=f"the keys {', '.join(known)}", found=shown(key), remedy=_REMEDY)


def _unfit(where: str, expected: str, found: object) -> SltpackError:
    return FormatError(where, expected=expected, found=shown(found), remedy=_REMEDY)
