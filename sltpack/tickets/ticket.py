"""A ticket: source network, freezing and supermask, to and from a file; it regenerates any layer, or rows of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundled import locate
from ..errors import FormatError, OutputError, RequestError
from ..files import write_atomically
from ..format import container as containers
from ..format.container import Buffer, Container
from ..format.records import MAX_DIMENSIONS, MAX_WEIGHTS, Header, Layer, Source
from ..source import freezing, initializers
from ..source.streams import FREEZING, Stream, pieces
from ..supermask import codecs
from ..supermask.bits import Supermask

_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


@dataclass(frozen=True, eq=False, repr=False)
class Ticket:
    """A strong lottery ticket.

    Attributes:
        source: the source network and its freezing, with each layer's kept count.
        supermask: one bit for each searched position.
        buffers: what cannot come from a seed, float32 or float16, by its name in the model's state dict.
        weights_sha256: of the little-endian float32 bytes of all layers' effective weights, in order.
        about: free text pairs.
    """

    source: Source
    supermask: Supermask
    buffers: Mapping[str, NDArray[np.floating]]
    weights_sha256: str
    about: Mapping[str, str]

    def __repr__(self) -> str:
        source = self.source
        return f"<Ticket {source.model.name}: {source.kept:,} of {source.size:,} weights, {source.searched:,} searched>"

    @classmethod
    def create(
        cls,
        source: Source,
        layer_masks: list[NDArray[np.bool_]],
        buffers: Mapping[str, NDArray[np.floating]],
        about: Mapping[str, str],
    ) -> Ticket:
        """Makes a ticket from a search's result.

        Args:
            source: the source network; its kept counts are set anew.
            layer_masks: for each layer, bool [searched positions], in ascending order.
            buffers: float32 or float16.
            about: free text pairs.

        Returns:
            The ticket, with the digest of its weights.

        Raises:
            RequestError: a buffer's name, type or shape is none that a file can hold.
            ValueError: a mask is of another length than its layer's search space.
        """
        for name, values in buffers.items():
            _require_storable(source, name, values)
        for layer, mask in zip(source.layers, layer_masks, strict=True):
            if mask.shape != (layer.searched,):
                raise ValueError(f"a mask {mask.shape} for the {layer.searched} searched weights of {layer.name}")
        layers = tuple(
            replace(layer, kept=layer.locked + int(np.count_nonzero(mask)))
            for layer, mask in zip(source.layers, layer_masks, strict=True)
        )
        supermask = Supermask.from_layers(layer_masks)
        unsigned = cls(replace(source, layers=layers), supermask, buffers, "", about)
        return replace(unsigned, weights_sha256=unsigned.digest())

    @classmethod
    def from_container(cls, container: Container, where: object) -> Ticket:
        """Reads a ticket from a checked container.

        Args:
            container: what `sltpack.format.container.read` gave.
            where: what to name in an error.

        Returns:
            The ticket.

        Raises:
            FormatError: the supermask is damaged, or a layer's kept count is not what it says.
        """
        header = container.header
        source = header.source
        return cls(
            source,
            codecs.decode(header.codec, container.supermask, source, where),
            {b.name: np.frombuffer(b.data, _DTYPES[b.dtype]).reshape(b.shape) for b in container.buffers},
            header.weights_sha256,
            {key: value for key, value in header.about.items() if key != containers.FINGERPRINT},
        )

    def to_container(self, codec: str = codecs.AUTO) -> Container:
        """Takes the ticket apart for a file.

        Args:
            codec: how the supermask is written: "raw", "rans", or "auto" for the smaller of the two.

        Returns:
            The container, to be written by `sltpack.format.container.encode`.

        Raises:
            RequestError: there is no such codec.
        """
        buffers = self._file_buffers()
        told = {containers.FINGERPRINT: containers.fingerprint(buffers)} if buffers else {}
        name, data = codecs.encode(codec, self.supermask, self.source)
        header = Header(self.source, name, self.weights_sha256, {**self.about, **told})
        return Container(header, data, buffers)

    def freezing_mask(self, index: int | str, rows: slice = slice(None)) -> NDArray[np.int8]:
        """Regenerates the ternary freezing mask of a layer.

        Args:
            index: the layer's number, from 0, or its name.
            rows: which of its output rows; a slice without a step.

        Returns:
            -1 pruned, +1 locked, 0 searched: int8 of the layer's shape (fewer rows where asked).

        Raises:
            RequestError: there is no such layer, or the slice has a step.
        """
        index = self.number_of(index)
        layer, start, stop = self._span(index, rows)
        values = freezing.mask(self.source.seeds.freezing, index, layer, start, stop)
        return values.reshape(-1, *layer.shape[1:])

    def source_weights(self, index: int | str, rows: slice = slice(None)) -> NDArray[np.float32]:
        """Regenerates the random weights of a layer, none of them removed.

        Args:
            index: the layer's number, from 0, or its name.
            rows: which of its output rows; a slice without a step.

        Returns:
            float32 of the layer's shape (fewer rows where asked), scaled as in the ticket.

        Raises:
            RequestError: there is no such layer, or the slice has a step.
        """
        index = self.number_of(index)
        layer, start, stop = self._span(index, rows)
        step = initializers.step_of(self.source, index)
        values = np.empty(stop - start, np.float32)
        for first, last in pieces(start, stop):
            drawn = initializers.units(self.source.init, self.source.seeds.weights, index, first, last)
            np.multiply(drawn, step, out=values[first - start : last - start])
        return values.reshape(-1, *layer.shape[1:])

    def supermask_bits(self, index: int | str) -> NDArray[np.bool_]:
        """Gives a layer's part of the supermask: bool [searched positions], in ascending order.

        Raises:
            RequestError: there is no such layer.
        """
        index = self.number_of(index)
        layer, start = self._layer(index), self._starts[index]
        return self.supermask.read(start, start + layer.searched)

    def weights(self, index: int | str, rows: slice = slice(None)) -> NDArray[np.float32]:
        """Regenerates the effective weights of a layer: zero, +0.0, where the ticket has none.

        For rows in the middle of a layer, the freezing keys before them are drawn too, to count the searched
        positions there; no other layer is touched.

        Args:
            index: the layer's number, from 0, or its name.
            rows: which of its output rows; a slice without a step.

        Returns:
            float32 of the layer's shape (fewer rows where asked).

        Raises:
            RequestError: there is no such layer, or the slice has a step.
            FormatError: the thresholds lead to other counts than the layer table has.
        """
        index = self.number_of(index)
        layer, start, stop = self._span(index, rows)
        step = initializers.step_of(self.source, index)
        values = np.empty(stop - start, np.float32)
        count = 0
        for first, last, kept in self._kept(index, layer, start, stop):
            drawn = initializers.units(self.source.init, self.source.seeds.weights, index, first, last)
            drawn *= step
            # The bits times 0 or 1: a weight that is not kept is +0.0, whatever its sign was.
            part = values[first - start : last - start].view(np.uint32)
            np.multiply(drawn.view(np.uint32), kept, out=part, dtype=np.uint32)
            count += int(np.count_nonzero(kept))
        if stop - start == layer.size and count != layer.kept:
            raise freezing.contradiction(layer, f"{layer.kept} kept", f"{count}")
        return values.reshape(-1, *layer.shape[1:])

    def state(self) -> dict[str, NDArray[np.floating]]:
        """Regenerates everything that the model's `load_state_dict` needs.

        Returns:
            Effective weights by parameter name, in the order of the layers, then the buffers as float32.
        """
        weights: dict[str, NDArray[np.floating]] = {
            layer.parameter: self.weights(index) for index, layer in enumerate(self.source.layers)
        }
        return weights | {name: values.astype(np.float32) for name, values in self.buffers.items()}

    def digest(self) -> str:
        """Works out the SHA-256 of the effective weights, layer by layer, so that only one of them is in memory."""
        return weights_digest(self.weights(index) for index in range(len(self.source.layers)))

    def check(self, digest: str, where: object = "ticket") -> None:
        """Compares a digest of regenerated weights with the one that the ticket was made with.

        Args:
            digest: 64 hexadecimal digits.
            where: what to name in an error.

        Raises:
            FormatError: they differ.
        """
        if digest != self.weights_sha256:
            raise FormatError(
                where,
                expected=f"weights with the SHA-256 {self.weights_sha256[:16]}...",
                found=f"{digest[:16]}...",
                remedy="the file was not made by a correct writer, or this machine computes wrongly",
            )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rows of its layers, in order: name, shape, thresholds and counts."""
        return self.source.layers

    def number_of(self, layer: int | str) -> int:
        """Return the number of a layer, from 0, given that or its name.

        Raises:
            RequestError: there is no layer of that name.
        """
        if not isinstance(layer, str):
            return layer
        names = [row.name for row in self.layers]
        if layer not in names:
            raise RequestError(
                f"layer {layer}", expected=", ".join(names), found="none of that name", remedy="choose one"
            )
        return names.index(layer)

    def _layer(self, index: int) -> Layer:
        layers = self.source.layers
        if not 0 <= index < len(layers):
            raise RequestError(
                f"layer {index}",
                expected=f"a number in 0..{len(layers) - 1}",
                found=str(index),
                remedy="choose one of the ticket's layers",
            )
        return layers[index]

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((layer.searched for layer in self.source.layers), initial=0))

    def _span(self, index: int, rows: slice) -> tuple[Layer, int, int]:
        layer = self._layer(index)
        if rows.step not in (None, 1):
            raise RequestError(
                "rows", expected="a slice without a step", found=str(rows), remedy="take every n-th of the result"
            )
        first, last, _ = rows.indices(layer.shape[0])
        return layer, first * layer.fan_in, max(first, last) * layer.fan_in

    def _kept(self, index: int, layer: Layer, start: int, stop: int) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
        """Tells piece by piece which weights are in the ticket: first position, the one behind the last, bool."""
        keys = Stream(self.source.seeds.freezing, index, FREEZING)
        position, end = self._starts[index : index + 2]
        for first, last in pieces(0, start):
            position += int(np.count_nonzero(~freezing.below(keys.draws(first, last), layer.freeze_threshold)))
        for first, last in pieces(start, stop):
            drawn = keys.draws(first, last)
            kept = ~freezing.below(drawn, layer.prune_threshold)
            # Their numbers, since to select by random bools costs the processor a wrong guess at every other one.
            searched = np.flatnonzero(~freezing.below(drawn, layer.freeze_threshold))
            bit, position = position, position + searched.size
            if position > end or (last == layer.size and position < end):
                raise freezing.contradiction(layer, f"{layer.searched} searched", "more" if position > end else "fewer")
            kept[searched] = self.supermask.read(bit, position)
            yield first, last, kept

    def _file_buffers(self) -> tuple[Buffer, ...]:
        names = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16"}
        buffers = []
        for name, values in self.buffers.items():
            dtype = names[values.dtype.newbyteorder("=")]
            buffers.append(Buffer(name, dtype, values.shape, values.astype(_DTYPES[dtype]).tobytes()))
        return tuple(sorted(buffers, key=containers.file_order))


def _require_storable(source: Source, name: str, values: NDArray[np.floating]) -> None:
    known = values.dtype in (np.float32, np.float16)
    if not known or values.size == 0 or values.ndim > MAX_DIMENSIONS:
        raise RequestError(
            f"buffer {name}",
            expected=f"float32 or float16 of at most {MAX_DIMENSIONS} dimensions, none of them 0",
            found=f"{values.dtype} {list(values.shape)}",
            remedy="keep such a buffer out of the model's state (persistent=False)",
        )
    if name in {layer.parameter for layer in source.layers}:
        raise RequestError(
            f"buffer {name}", expected="a name that no layer's weight has", found=name, remedy="rename the buffer"
        )


def load(path: str | os.PathLike[str], max_weights: int = MAX_WEIGHTS) -> Ticket:
    """Reads a ticket from a file; its digest, sizes and counts have been checked, and no weight has been generated.

    Args:
        path: a `.slt` file, or the name of a ticket in the package, such as "conv6-cifar10".
        max_weights: the most weights that the file may ask for.

    Returns:
        The ticket.

    Raises:
        RequestError: there is no such file.
        FormatError: the file is damaged, or is no ticket.
        LimitError: the file asks for too many weights.
    """
    file = locate(os.fspath(path))
    return Ticket.from_container(containers.read(file, max_weights), file)


def save(ticket: Ticket, path: str | os.PathLike[str], *, force: bool = False, codec: str = codecs.AUTO) -> None:
    """Writes a ticket to a file, atomically, and only after it has been read back and has given the same weights.

    Args:
        ticket: the ticket.
        path: the file's name.
        force: whether an existing file is replaced.
        codec: how the supermask is written: "raw", "rans", or "auto" for the smaller of the two.

    Raises:
        RequestError: the file exists and `force` is not set, or there is no such codec.
        OutputError: the file cannot be written, or does not give the ticket's weights again.
    """

    def check(written: bytes) -> None:
        copy = Ticket.from_container(containers.decode(written, path, ticket.source.size), path)
        if copy.digest() != ticket.weights_sha256:
            raise OutputError(
                path,
                expected="a file that gives the ticket's weights again, bit for bit",
                found="other weights",
                remedy="nothing was written under that name; please report this",
            )

    data = containers.encode(ticket.to_container(codec))
    write_atomically(Path(path), data, force=force, check=check)


def weights_digest(layers: Iterable[NDArray[np.float32]]) -> str:
    """Works out the SHA-256 of weights.

    Args:
        layers: the layers' float32 arrays, in order.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for values in layers:
        digest.update(np.ascontiguousarray(values, "<f4").data)
    return digest.hexdigest()
