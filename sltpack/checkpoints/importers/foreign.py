"""What every importer works with: a foreign file taken apart, what its reader was told, and the masked layers in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, RequestError

Array = NDArray[Any]

AUTO = "auto"
"""The kind whose names a file has."""
_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Where codes keep the state dict, in a dictionary with an optimizer and other things around it."""
_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""


@dataclass(frozen=True)
class Foreign:
    """A foreign checkpoint, taken apart.

    Attributes:
        where: what to name in an error.
        tensors: the state dict, by names without the prefixes of DataParallel and torch.compile.
        around: what stands beside the state dict, such as "arch" and "args"; empty for a bare one.
    """

    where: str
    tensors: Mapping[str, Array]
    around: Mapping[str, Any] = field(default_factory=dict)

    def named(self, suffix: str) -> dict[str, Array]:
        """Return the tensors whose names end with a suffix, by the rest of the name, in the order of the file."""
        return {name.removesuffix(suffix): values for name, values in self.tensors.items() if name.endswith(suffix)}

    def argument(self, name: str) -> Any:
        """Return what the code was called with, from `args` beside the state dict; None where it is not there."""
        arguments = self.around.get("args")
        return arguments.get(name) if isinstance(arguments, Mapping) else None


@dataclass(frozen=True)
class Choices:
    """What the reader of a checkpoint is told, since most files do not hold it.

    Attributes:
        rates: the code's own numbers, in the code's own sense: one for all layers, or as the kind says.
        sparsities: instead of `rates`: the removed shares.
        task: of a file with several tickets, the number of the wanted one.
    """

    rates: tuple[float, ...] = ()
    sparsities: tuple[float, ...] = ()
    task: int | None = None

    def removed(self, foreign: Foreign, name: str, stored: object = None) -> tuple[float, ...]:
        """Return the removed shares, where the code's own numbers are removed shares.

        Args:
            foreign: the file.
            name: what the code calls the rate.
            stored: what the file itself says; it wins.

        Returns:
            At least one share in 0..1.

        Raises:
            RequestError: nobody says it, or a share is none.
        """
        return _shares(foreign, self._settled(foreign, name, "removed", stored, self.rates, self.sparsities))

    def kept(self, foreign: Foreign, name: str, stored: object = None) -> tuple[float, ...]:
        """Return the kept shares, where the code's own numbers are kept shares; all else as `removed`."""
        kept = tuple(1 - sparsity for sparsity in self.sparsities)
        return _shares(foreign, self._settled(foreign, name, "kept", stored, self.rates, kept))

    def _settled(
        self,
        foreign: Foreign,
        name: str,
        meaning: str,
        stored: object,
        rates: tuple[float, ...],
        sparsities: tuple[float, ...],
    ) -> tuple[float, ...]:
        if isinstance(stored, int | float) and not isinstance(stored, bool):
            return (float(stored),)
        found = rates or sparsities
        if not found:
            raise RequestError(
                foreign.where,
                expected=f"to be told the rate, which this file does not hold ({name}, the share {meaning})",
                found="no rate",
                remedy=f"pass --prune-rate with the code's own {name}, or --sparsity with the share removed",
            )
        return found


@dataclass(frozen=True, eq=False)
class Masked:
    """A masked layer.

    Attributes:
        parameter: the weight's name in the state dict.
        kept: which weights are in the ticket, bool of the weight's shape.
        weights: what the code multiplies with where they are kept, float32 of the same shape.
        times: how many coats keep each weight, where the code has coats; `weights` do not contain it.
    """

    parameter: str
    kept: NDArray[np.bool_]
    weights: NDArray[np.float32]
    times: NDArray[np.int64] | None = None

    @property
    def effective(self) -> NDArray[np.float32]:
        """The weights that the code's forward pass works with: +0.0 where none is kept."""
        weights = self.weights if self.times is None else self.weights * self.times.astype(np.float32)
        return np.where(self.kept, weights, np.float32(0))


class Importer(Protocol):
    """A kind of checkpoint: a module of this package, or an object."""

    @property
    def summary(self) -> str:
        """Which code writes such files, in a few words."""

    @property
    def own(self) -> tuple[str, ...]:
        """How the names of the tensors end that belong to masks; all others are kept as buffers."""

    def recognise(self, foreign: Foreign) -> bool:
        """Tell by the names in a file whether it is of this kind."""

    def read(self, foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
        """Read the masked layers, in the order of the file.

        Raises:
            RequestError: something has to be told that the file does not hold.
            FormatError: the file is not as such files are.
        """


def take_apart(where: str, values: Mapping[str, Any]) -> Foreign:
    """Find the state dict in a checkpoint.

    Args:
        where: what to name in an error.
        values: of the file, tensors as arrays.

    Returns:
        The state dict and what is around it.

    Raises:
        FormatError: there are no tensors by name.
    """
    inner = next((values[name] for name in _WRAPPERS if isinstance(values.get(name), Mapping)), values)
    tensors = {
        name: tensor for name, tensor in inner.items() if isinstance(name, str) and isinstance(tensor, np.ndarray)
    }
    if not tensors:
        raise FormatError(
            where,
            expected="a checkpoint with tensors by name",
            found="none",
            remedy="give the file that holds the state dict",
        )
    around = {} if inner is values else {name: value for name, value in values.items() if value is not inner}
    for prefix in _PREFIXES * 2:  # in either order
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return Foreign(where, tensors, around)


def weight_of(foreign: Foreign, layer: str, mask_part: Array) -> NDArray[np.float32]:
    """Return the stored weights of a layer.

    Args:
        foreign: the file.
        layer: the layer's name.
        mask_part: the scores or mask beside them.

    Returns:
        float32 of the layer's shape.

    Raises:
        FormatError: there are none of the same shape, or some are not finite.
    """
    weight = foreign.tensors.get(f"{layer}.weight")
    if weight is None or weight.shape != mask_part.shape or weight.dtype != np.float32 or weight.ndim < 2:
        found = "none" if weight is None else f"{weight.dtype} {list(weight.shape)}"
        raise damaged(foreign, f"{layer}.weight, float32 {list(mask_part.shape)}", found)
    if not np.isfinite(weight).all():
        raise damaged(foreign, f"finite numbers in {layer}.weight", "others")
    return weight


def scores_of(foreign: Foreign, suffix: str) -> dict[str, NDArray[np.float32]]:
    """Return the scores of all layers by the layers' names.

    Raises:
        FormatError: there are none, or some are not finite float32 numbers.
    """
    found = foreign.named(suffix)
    if not found:
        raise damaged(foreign, f"tensors whose names end with {suffix}", "none")
    for layer, scores in found.items():
        if scores.dtype != np.float32 or scores.size == 0 or not np.isfinite(scores).all():
            raise damaged(foreign, f"finite float32 numbers in {layer}{suffix}", f"{scores.dtype} or others")
    return found


def one_rate(foreign: Foreign, rates: tuple[float, ...]) -> float:
    """Return the only rate.

    Raises:
        RequestError: there are several.
    """
    if len(rates) != 1:
        raise RequestError(
            foreign.where, expected="one rate for all layers", found=f"{len(rates)}", remedy="pass one number"
        )
    return rates[0]


def damaged(foreign: Foreign, expected: str, found: str) -> FormatError:
    """Make the error for a file that is not as such files are."""
    return FormatError(
        foreign.where, expected=expected, found=found, remedy="check that --from names the code that wrote the file"
    )


def _shares(foreign: Foreign, rates: tuple[float, ...]) -> tuple[float, ...]:
    for rate in rates:
        if not 0 <= rate <= 1:
            raise RequestError(
                foreign.where, expected="rates in 0..1", found=f"{rate:g}", remedy="pass shares, such as 0.3"
            )
    return rates


def is_task_of(suffix: str, name: str) -> int | None:
    """Return the number behind a suffix and a point at the end of a name, such as 3 of "conv.scores.3"."""
    found = re.fullmatch(rf".*{re.escape(suffix)}\.(\d{{1,6}})", name)
    return int(found.group(1)) if found else None
