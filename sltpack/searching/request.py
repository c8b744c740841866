"""What a search or weight training is asked for: one frozen value, which the command line, a plan and Python build.

It holds names and numbers alone, so that it travels as JSON, and it imports no torch, so that `--help` answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from ..errors import OptionError
from ..format.records import INITS, MAX_WEIGHTS, METHODS, SCALES, Ratios, Seeds
from .options import option, options_of
from .options import seed as seed_option
from .presets import DEFAULT_PRESET, DEFAULT_RECIPE, PRESETS, RECIPES, of_preset, of_recipe
from .settings import Settings, Sparsity, TrainingSettings

Own = TypeVar("Own", bound="RunRequest")


@dataclass(frozen=True, kw_only=True)
class RunRequest(TrainingSettings):
    """What a search and weight training are asked for alike.

    Attributes:
        model: a name of `sltpack.models.MODELS`, or "package.module:builder" of the user's own.
        data: one of `sltpack.data.NAMES`, such as "cifar10", "folder:PATH" or "cora".
        width: factor of the model's channels.
        weight_seed: of the weights; without it, `seed`.
        data_dir: the data's folder; without it, the user's cache folder.
        image_size: the size that images of a folder are scaled and cropped to.
        workers: processes that read the images of "imagenet:PATH".
        device: "auto", "cpu", "cuda" or "mps".
        tensorboard: whether to write event files for TensorBoard too.
        max_weights: the most weights that the model may have.
    """

    model: str
    data: str
    width: float = option("Factor of the model's channels.", "steps", float, default=1.0, above=0, most=1024)
    weight_seed: int | None = seed_option("Of the random weights.")
    data_dir: str | None = option(
        "The folder of the data set; otherwise the user's cache folder, with a download where it is not there. "
        "[env: SLTPACK_DATA_DIR]",
        "place",
        default=None,
        is_path=True,
        variable="SLTPACK_DATA_DIR",
    )
    image_size: int | None = option(
        "Scale and crop the images of a folder to this size.", "place", int, default=None, least=1
    )
    workers: int | None = option(
        "Processes that read the images of imagenet:PATH.  [default: one for each core]",
        "place",
        int,
        default=None,
        least=0,
    )
    device: str = option(
        "Where to compute; auto takes the fastest there is.",
        "place",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
    )
    tensorboard: bool = option("Write event files for TensorBoard into the folder too.", "place", bool, default=False)
    max_weights: int = option("The most weights that the network may have.", "place", int, default=MAX_WEIGHTS, least=1)

    command: ClassVar[str]
    """The command that it is of."""

    @classmethod
    def of(cls: type[Own], model: str, data: str, *, recipe: str = DEFAULT_RECIPE, **given: Any) -> Own:
        """Make a request, and fill in what is not given.

        Args:
            model: its name.
            data: its name.
            recipe: fills the budget.
            given: the other options by name; None for what is not given.

        Returns:
            The request, in which nothing is left open that the result depends on.

        Raises:
            RequestError: there is no such option, or a value is out of its range.
        """
        _require_one_of("recipe", recipe, RECIPES)
        known = options_of(cls)
        given = {name: _plain(value) for name, value in given.items()}
        for name, value in given.items():
            if name not in known:
                raise OptionError(
                    name, expected=f"an option of a {cls.command}", found="none of that name", remedy="check its name"
                )
            known[name].require(name, value)
        from ..data import is_graph

        filled = of_recipe(recipe, "graph" if is_graph(data) else cls.command, given)
        chosen: dict[str, Any] = {
            name: float(value) if known[name].kind is float and value is not None else value
            for name, value in filled.items()
            if value is not None or name == "batch_size"
        }
        return cls(model=model, data=data, **chosen)

    @property
    def settings(self) -> TrainingSettings:
        """What of it the checkpoints record."""
        return TrainingSettings(**{own.name: getattr(self, own.name) for own in fields(TrainingSettings)})

    @property
    def seeds(self) -> Seeds:
        """Those of the source network."""
        return Seeds(self.seed_of("weight"), 0)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values by name, for `from_json`."""
        return {"command": self.command, **{own.name: getattr(self, own.name) for own in fields(self)}}


@dataclass(frozen=True, kw_only=True)
class Freezing(Sparsity):
    """Which source network a search has.

    Attributes:
        freeze: the freezing ratio f; the search space is placed so that the sparsity lies in its middle.
        prune: instead of `freeze`, the pruning ratio p.
        lock: instead of `freeze`, the locking ratio l.
        ratios: how layers share the ratios: "epl" or "erk".
        init: "skc" or "ku".
        scale: "none", "layer" or "global".
    """

    freeze: float | None = option(
        "f, the share of frozen weights, placed around k.", "ticket", float, default=None, least=0, most=1
    )
    prune: float | None = option(
        "Instead of --freeze: p, the share pruned for good; 0 where only --lock is given.",
        "ticket",
        float,
        default=None,
        least=0,
        most=1,
    )
    lock: float | None = option(
        "Instead of --freeze: l, the share locked for good; 0 where only --prune is given.",
        "ticket",
        float,
        default=None,
        least=0,
        most=1,
    )
    ratios: str = option("How layers share the ratios.", "ticket", choices=METHODS, default="epl")
    init: str = option("The random weights.", "ticket", choices=INITS, default="skc")
    scale: str = option(
        "Their scale; with another --init than the preset's, layer for skc and none for ku.",
        "ticket",
        choices=SCALES,
        default="layer",
    )


@dataclass(frozen=True, kw_only=True)
class SearchRequest(Settings, Freezing, RunRequest):
    """What a search is asked for.

    Attributes:
        freeze_seed: of the freezing; without it, `seed`.

    Raises:
        RequestError: a value is out of its range, or there are too many ratios.
    """

    freeze_seed: int | None = seed_option("Of the freezing.")

    command = "search"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze is not None and (self.prune is not None or self.lock is not None):
            raise OptionError(
                "freeze",
                expected="either `freeze`, or `prune` and `lock`",
                found="both",
                remedy="leave one of them out",
            )

    @classmethod
    def of(
        cls, model: str, data: str, *, preset: str = DEFAULT_PRESET, recipe: str = DEFAULT_RECIPE, **given: Any
    ) -> SearchRequest:
        """Make a request, and fill in what is not given, as `RunRequest.of` does.

        Args:
            model: its name.
            data: its name.
            preset: fills the source network and the method.
            recipe: fills the budget.
            given: the other options by name; None for what is not given.
        """
        _require_one_of("preset", preset, PRESETS)
        return super().of(model, data, recipe=recipe, **of_preset(preset, given))

    @property
    def settings(self) -> Settings:
        """What of it the checkpoints record."""
        return Settings(**{own.name: getattr(self, own.name) for own in fields(Settings)})

    @property
    def seeds(self) -> Seeds:
        """Those of the source network."""
        return Seeds(self.seed_of("weight"), self.seed_of("freeze"))

    def placed(self) -> Ratios:
        """Return the global pruning and locking ratios that it stands for."""
        from ..source.ratios import place

        if self.freeze is None:
            return Ratios(self.ratios, self.prune or 0.0, self.lock or 0.0)
        return Ratios(self.ratios, *place(self.sparsity, self.freeze))


@dataclass(frozen=True, kw_only=True)
class TrainRequest(RunRequest):
    """What weight training is asked for: the baseline of a ticket of the same data and budget.

    Attributes:
        init: where the weights begin: "ku" or "skc", without scale.
    """

    init: str = option("Where the weights begin.", "start", choices=INITS, default="ku")

    command = "train"
    scale: ClassVar[str] = "none"

    def placed(self) -> Ratios:
        """Return that nothing is frozen."""
        return Ratios("epl", 0.0, 0.0)


REQUESTS: Mapping[str, type[SearchRequest] | type[TrainRequest]] = {
    kind.command: kind for kind in (SearchRequest, TrainRequest)
}
"""The kinds of request by the commands that make them."""
AnyRequest = SearchRequest | TrainRequest


def from_json(told: Mapping[str, Any]) -> AnyRequest:
    """Make the request that `to_json` has told of."""
    values = dict(told)
    return REQUESTS[values.pop("command")](**values)


def _plain(value: Any) -> Any:
    """Return a value as JSON would give it back: a path as a text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _require_one_of(name: str, value: object, known: Mapping[str, object]) -> None:
    if value not in known:
        raise OptionError(name, expected=", ".join(known), found=f"{value}", remedy="choose one of these")
