"""The finished runs in a folder, wherever in it they are, and what sets each apart."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoints.reading import load_any
from ..checkpoints.records import Kept
from ..checkpoints.results import Result, result_of
from ..errors import RequestError, SltpackError, one_line, reason, shown
from ..format.records import SEED_LIMIT
from ..limits import METRICS_EPOCHS
from ..searching.run_folder import BEST, is_begun, read_accuracies

Value = str | int | float | bool | None
"""Of a trait."""

TRAINED = "trained weights"
"""What the trait "method" is of weight training."""
_MOST = 120
"""Characters of a name or a value."""
_OF_THE_DATA = ("classes", "input_shape")
"""Arguments of a model that follow from its data."""
_BROUGHT = ("folder", "imagenet", "graph")
"""Data whose path is not noted."""
_DIGITS = 8
"""Of a digest, which tell data apart."""
_NO_TRAIT = ("data", "data_title", "method", "sparsity", "threshold", "date", "sltpack", "class_names", "seed")
_NO_TRAIT_ENDINGS = ("_seed", "_sha256")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: its folder, as seen from the one that all runs were looked for in.
        traits: what its result depends on, by name, but for seeds; what a way of searching has not is None.
        seeds: by name.
        result: what came out.
        curve: the validation accuracy after each epoch.
    """

    name: str
    traits: Mapping[str, Value]
    seeds: Mapping[str, int]
    result: Result
    curve: tuple[float, ...]

    @property
    def section(self) -> str:
        """The folder that its folder stands in: of one sweep, all runs have the same."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class LeftOut:
    """A run that is not in a report.

    Attributes:
        name: its folder, as for `Run`.
        reason: why.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Places:
    """Where runs are.

    Attributes:
        folder: that they were looked for in.
        runs: the folders that hold one, in the order of their names.
        unreadable: the folders that could not be looked into.
    """

    folder: Path
    runs: tuple[Path, ...]
    unreadable: tuple[LeftOut, ...]


def find(folder: Path) -> Places:
    """Look for runs.

    Args:
        folder: of a run, or with folders of runs in it, however deep; links to folders are not followed.

    Returns:
        The folders that hold a run, and those that cannot be read.

    Raises:
        RequestError: there is no such folder, or it cannot be read.
    """
    runs: list[Path] = []
    unreadable: list[LeftOut] = []
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                inner = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
            holds_run = is_begun(place)
        except OSError as error:
            if place == folder:
                raise RequestError(
                    folder, expected="a folder of runs", found=reason(error), remedy="check the name"
                ) from error
            unreadable.append(LeftOut(_name(place, folder), f"a folder that cannot be read: {reason(error)}"))
            continue
        waiting += inner
        if holds_run:
            runs.append(place)
    return Places(folder, tuple(sorted(runs)), tuple(sorted(unreadable, key=lambda left: left.name)))


def read(place: Path, folder: Path, max_weights: int, max_epochs: int = METRICS_EPOCHS) -> Run | LeftOut:
    """Read one run.

    Args:
        place: its folder.
        folder: the folder that runs were looked for in.
        max_weights: the most weights that its network may have.
        max_epochs: the most epochs of its curve; of a longer one, those are taken that the checkpoint holds.

    Returns:
        The run, or why it is left out: it is not finished, or one of its files is damaged or of another version.
    """
    name = _name(place, folder)
    if not (place / BEST).exists():
        return LeftOut(name, "not finished")
    try:
        kept = load_any(place / BEST, max_weights)
        result = result_of(kept, place, max_weights)
    except SltpackError as error:
        return LeftOut(name, str(error))
    if result is None:
        return LeftOut(name, "not finished")
    curve = read_accuracies(place, max_epochs) or [
        float(entry["validation_accuracy"]) for entry in kept.metrics["history"]
    ]
    return Run(name, _traits(kept), _seeds(kept), result, tuple(curve))


def _name(place: Path, folder: Path) -> str:
    return one_line(place.relative_to(folder).as_posix() if place != folder else folder.absolute().name)


def _traits(kept: Kept) -> dict[str, Value]:
    source, settings = kept.source, kept.settings
    arguments = {name: value for name, value in source.model.arguments.items() if name not in _OF_THE_DATA}
    ratios = source.ratios
    of_the_search: dict[str, Value] = {
        "method": _plain(settings.get("method", "edge-popup")),
        "init": source.init,
        "scale": source.scale,
        "ratios": ratios.method,
        "threshold": _plain(settings.get("threshold", "global")),
        "freeze": round(ratios.prune + ratios.lock, 12),  # of short decimals, whose sum is one too
        "prune": ratios.prune,
        "lock": ratios.lock,
        "sparsity": _plain(settings.get("sparsity")),
    }
    if not kept.searches:
        of_the_search = {**dict.fromkeys(of_the_search), "method": TRAINED, "init": source.init}
    checked = {"data": _data(settings), "model": _plain(source.model.name), **of_the_search}
    told = {**arguments, **{name: value for name, value in settings.items() if _is_trait(name)}}
    others = {one_line(name, _MOST): _plain(value) for name, value in told.items()}
    # Whatever a stranger calls a setting: what is checked comes from the source itself.
    return {**checked, **{name: value for name, value in others.items() if name not in checked}}


def _data(settings: Mapping[str, Any]) -> Value:
    """Name the data; those that somebody brought, whose names are all alike, by what is in them too."""
    name, digest = _plain(settings.get("data")), settings.get("test_sha256")
    called = _plain(settings.get("data_title")) or name
    return f"{called} {one_line(digest[:_DIGITS])}" if name in _BROUGHT and isinstance(digest, str) else name


def _is_trait(name: str) -> bool:
    return name not in _NO_TRAIT and not name.endswith(_NO_TRAIT_ENDINGS)


def _plain(value: object) -> Value:
    """Make a stranger's value one that can be sorted, written and drawn."""
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < SEED_LIMIT):
        return value
    return one_line(value if isinstance(value, str) else shown(value), _MOST)


def _seeds(kept: Kept) -> dict[str, int]:
    settings: Mapping[str, Any] = kept.settings
    told = {name: value for name, value in settings.items() if name == "seed" or name.endswith("_seed")}
    seed = told.get("seed")
    own = {name: seed if value is None else value for name, value in told.items()}
    drawn = {"weights_seed": kept.source.seeds.weights, "freezing_seed": kept.source.seeds.freezing}
    return {
        one_line(name, _MOST): value
        for name, value in {**own, **drawn}.items()
        if isinstance(value, int) and 0 <= value < SEED_LIMIT
    }
