"""A ticket: source network, freezing and what was searched; it regenerates any layer, or rows of one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, MismatchError, RequestError, damaged
from ..format.container import Container
from ..format.records import (
    KEPT,
    NO_INIT,
    SIGN,
    STORED,
    GraphInput,
    Header,
    ImageInput,
    Layer,
    Result,
    Source,
)
from ..format.tensors import STEPS, VALUES, origin_of, require_consistent, tensors_of
from ..source import freezing, initializers
from ..source.streams import FREEZING, Stream, pieces
from ..supermask import codecs
from ..supermask.bits import Bits
from .buffers import StoredBuffers, store
from .planes import LayerPlanes, starts_of
from .preprocessing import Pictures, preprocess

_VALUES: dict[str, np.dtype[Any]] = {"values.f32": np.dtype("<f4"), "values.f16": np.dtype("<f2")}
Masks = Sequence[NDArray[np.bool_]]
"""The bits of a plane, for each layer bool [population], in ascending order of the positions."""


@dataclass(frozen=True, eq=False, repr=False)
class Ticket:
    """A strong lottery ticket.

    Attributes:
        source: the source network and its freezing, with the counts of each layer.
        planes: the bits that were searched: `kept`, then each of `source.planes`.
        stored_buffers: what cannot come from a seed, as the file has it.
        weights_sha256: of the little-endian float32 bytes of all layers' effective weights, in order.
        about: free text pairs.
        steps: of all layers, float32 [layers], where the scale is "stored".
        values: the kept searched weights of all layers, float32 or float16, where neither stream nor signs give them.
        input: how the network is fed; None where it is unknown.
        classes: the names of the classes, by label; none where they are unknown.
        results: what was measured.
        outputs: the classes that were predicted on generated inputs.
        extra: JSON values of a later version's entries, by name.
    """

    source: Source
    planes: Mapping[str, Bits]
    stored_buffers: StoredBuffers
    weights_sha256: str
    about: Mapping[str, str]
    steps: NDArray[np.float32] | None = None
    values: NDArray[np.floating] | None = None
    input: ImageInput | GraphInput | None = None
    classes: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    outputs: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        source = self.source
        return f"<Ticket {source.model.name}: {source.kept:,} of {source.size:,} weights, {source.searched:,} searched>"

    @classmethod
    def create(
        cls,
        source: Source,
        masks: Masks,
        buffers: Mapping[str, NDArray[np.floating]] | StoredBuffers,
        about: Mapping[str, str],
        *,
        further: Mapping[str, Masks] | None = None,
        steps: NDArray[np.float32] | None = None,
        values: NDArray[np.floating] | None = None,
        input: ImageInput | GraphInput | None = None,
        classes: Sequence[str] = (),
        results: Sequence[Result] = (),
        outputs: Sequence[int] = (),
    ) -> Ticket:
        """Make a ticket from a search's result.

        Args:
            source: the source network; its counts and planes are set from the masks.
            masks: the supermask, for each layer bool [searched positions], in ascending order.
            buffers: float32 or float16, by name, or as `sltpack.tickets.buffers.store` returned them.
            about: free text pairs.
            further: the planes beyond `kept`, each over the population that docs/format.md defines.
            steps: float32 [layers] where the scale is "stored", all above 0 where anything is kept.
            values: the kept searched weights of all layers, ascending positions, float32 or float16.
            input: how the network is fed.
            classes: the names of the classes, by label.
            results: what was measured.
            outputs: the classes that were predicted on generated inputs.

        Returns:
            The ticket, with the digest of its weights.

        Raises:
            RequestError: a buffer's name, type or shape is none that a file can hold.
            FormatError: planes, steps, values, init and scale do not fit each other.
            ValueError: a mask is of another length than its layer's population.
        """
        planes = {KEPT: masks, **(further or {})}
        counted = _counted(source, planes)
        if not isinstance(buffers, StoredBuffers):
            buffers = store(buffers, taken={name for layer in source.layers for name in layer.parameters})
        unsigned = cls(
            counted,
            {name: Bits.from_layers(list(bits)) for name, bits in planes.items()},
            buffers,
            "",
            about,
            None if steps is None else np.asarray(steps, np.float32),
            values,
            input,
            tuple(classes),
            tuple(results),
            tuple(outputs),
        )
        unsigned.require_weights("ticket")
        return replace(unsigned, weights_sha256=unsigned.digest())

    @classmethod
    def from_container(cls, container: Container, where: object) -> Ticket:
        """Read a ticket from a checked container.

        Args:
            container: what `sltpack.format.container.read` returned.
            where: what to name in an error.

        Returns:
            The ticket.

        Raises:
            FormatError: a plane is damaged, a layer's counts are not what it says, or a number is not finite.
        """
        header, tensors, source = container.header, container.tensors, container.header.source
        planes = {
            name: codecs.decode(header.codec, tensors[name], source.bits_of(name), f"{where}: {name}")
            for name in (KEPT, *source.planes)
        }
        buffers = {kind: tensors[f"buffers.{kind}"] for kind in ("f32", "f16", "u8") if f"buffers.{kind}" in tensors}
        ticket = cls(
            source,
            planes,
            StoredBuffers(header.buffers, buffers),
            header.weights_sha256,
            header.about,
            np.frombuffer(tensors[STEPS], "<f4") if STEPS in tensors else None,
            np.frombuffer(tensors[container.values], _VALUES[container.values]) if container.values else None,
            header.input,
            header.classes,
            header.results,
            header.outputs,
            header.extra,
        )
        ticket.stored_buffers.restore(where)
        ticket.require_weights(where)
        return ticket

    def to_container(self, codec: str = codecs.AUTO) -> Container:
        """Take the ticket apart for a file.

        Args:
            codec: how the planes are written: "raw", "rans", or "auto" for the smaller of the two.

        Returns:
            The container, to be written by `sltpack.format.container.encode`.

        Raises:
            RequestError: there is no such codec.
        """
        codec, planes = codecs.encode(
            codec, {name: (bits, self.source.bits_of(name)) for name, bits in self.planes.items()}
        )
        header = Header(
            self.source,
            codec,
            self.weights_sha256,
            self.about,
            self.stored_buffers.rows,
            self.input,
            self.classes,
            self.results,
            self.outputs,
            self.extra,
        )
        tensors = {
            **{f"buffers.{kind}": data for kind, data in self.stored_buffers.tensors.items()},
            **planes,
            **({} if self.steps is None else {STEPS: self.steps.astype("<f4").tobytes()}),
        }
        if self.values is not None:
            tensors[self._values_name] = self.values.astype(_VALUES[self._values_name]).tobytes()
        order = [tensor.name for tensor in tensors_of(header, self._values_name)]
        return Container(header, {name: tensors[name] for name in order})

    @property
    def supermask(self) -> Bits:
        """The plane `kept`: one bit for each searched position."""
        return self.planes[KEPT]

    @cached_property
    def buffers(self) -> Mapping[str, NDArray[np.floating]]:
        """What cannot come from a seed, float32 or float16, by its name in the model's state dict."""
        return self.stored_buffers.restore()

    @property
    def origin(self) -> str:
        """Where the kept weights come from: "seeded", "signs stored" or "values stored"."""
        return origin_of(self.source, self._values_name)

    @property
    def seeded(self) -> bool:
        """Whether the sizes of all weights come from a stream of random numbers, and no weight stands in the file."""
        return self.source.init != NO_INIT and self.values is None

    def freezing_mask(self, index: int | str, rows: slice = slice(None)) -> NDArray[np.int8]:
        """Regenerate the ternary freezing mask of a layer.

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
        """Regenerate the random weights of a layer, none of them removed; signs and values of the file play no part.

        Args:
            index: the layer's number, from 0, or its name.
            rows: which of its output rows; a slice without a step.

        Returns:
            float32 of the layer's shape (fewer rows where asked), scaled as in the ticket.

        Raises:
            RequestError: there is no such layer, the slice has a step, or the ticket is not made from random weights.
        """
        index = self.number_of(index)
        layer, start, stop = self._span(index, rows)
        if self.source.init == NO_INIT:
            raise RequestError(
                f"layer {layer.name}",
                expected="a ticket made from random weights",
                found=f"one with {self.origin}",
                remedy="use weights()",
            )
        step = initializers.step_of(self.source, index, self.steps)
        values = np.empty(stop - start, np.float32)
        for first, last in pieces(start, stop):
            drawn = initializers.units(self.source.init, self.source.seeds.weights, index, first, last)
            np.multiply(drawn, step, out=values[first - start : last - start])
        return values.reshape(-1, *layer.shape[1:])

    def supermask_bits(self, index: int | str) -> NDArray[np.bool_]:
        """Return a layer's part of the supermask: bool [searched positions], in ascending order.

        Raises:
            RequestError: there is no such layer.
        """
        return self.plane_bits(KEPT, index)

    def plane_bits(self, plane: str, index: int | str) -> NDArray[np.bool_]:
        """Return a layer's part of a plane: bool [population], in ascending order.

        Args:
            plane: "kept" or one of `source.planes`.
            index: the layer's number, from 0, or its name.

        Raises:
            RequestError: there is no such layer or plane.
        """
        if plane not in self.planes:
            raise RequestError(
                f"plane {plane}", expected=" or ".join(self.planes), found=plane, remedy="choose one of the ticket's"
            )
        index = self.number_of(index)
        self._layer(index)
        return self.planes[plane].read(*self._starts[plane][index : index + 2])

    def multiplicities(self, index: int) -> NDArray[np.uint8]:
        """Return how many coats keep each searched weight of a layer: uint8 [searched positions], without coats 0 or 1.

        Raises:
            RequestError: there is no such layer.
        """
        layer = self._layer(index)
        bits, multiplicities, _ = self._planes_of(index).take(layer.searched)
        counts = bits.astype(np.uint8)
        if multiplicities is not None:
            counts[bits] = multiplicities
        return counts

    def weights(self, index: int | str, rows: slice = slice(None)) -> NDArray[np.float32]:
        """Regenerate the effective weights of a layer: zero, +0.0, where the ticket has none.

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
        step = initializers.step_of(self.source, index, self.steps)
        values = np.empty(stop - start, np.float32)
        count = 0
        for piece in self._pieces(index, layer, start, stop):
            part = values[piece.first - start : piece.last - start]
            self._fill(part, piece, index, step)
            count += int(np.count_nonzero(piece.present))
        if stop - start == layer.size and count != layer.kept:
            raise freezing.contradiction(layer, f"{layer.kept} kept", f"{count}")
        return values.reshape(-1, *layer.shape[1:])

    def state(self) -> dict[str, NDArray[np.floating]]:
        """Regenerate everything that the model's `load_state_dict` needs.

        Returns:
            Effective weights by parameter name, in the order of the layers, then the buffers as float32.
        """
        weights: dict[str, NDArray[np.floating]] = {}
        for index, layer in enumerate(self.source.layers):
            weights |= dict.fromkeys(layer.parameters, self.weights(index))
        # One array for all names of a buffer, of which a stranger's file can have many.
        wide = {id(values): values.astype(np.float32) for values in self.buffers.values()}
        return weights | {name: wide[id(values)] for name, values in self.buffers.items()}

    def digest(self) -> str:
        """Return the SHA-256 of the effective weights, layer by layer, so that only one of them is in memory."""
        return weights_digest(self.weights(index) for index in range(len(self.source.layers)))

    def check(self, digest: str, where: object = "ticket") -> None:
        """Compare a digest of regenerated weights with the one that the ticket was made with.

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

    def preprocess(self, images: Pictures) -> Pictures:
        """Turn the bytes of pictures into the numbers that the network takes, exactly as `sltpack infer` does.

            model, images = sltpack.build(ticket), numpy.zeros((5, 32, 32, 3), numpy.uint8)
            scores = model(torch.from_numpy(ticket.preprocess(images)))

        Args:
            images: a NumPy array or a torch tensor, [n, height, width, channels], or [height, width, channels] for one
                picture: uint8, or floating-point numbers from 0 to 1.

        Returns:
            float32 [n, channels, height, width], of the same library and on the same device.

        Raises:
            RequestError: the pictures have another type, shape or range.
            MismatchError: the ticket does not say how pictures become numbers, or takes a graph.
        """
        if not isinstance(self.input, ImageInput):
            raise MismatchError(
                "ticket: input",
                expected="how pictures become the network's input",
                found="nothing" if self.input is None else "how a graph does",
                remedy="feed the model as its maker did",
            )
        shape = self.source.model.arguments.get("input_shape")
        size = (shape[1], shape[2]) if isinstance(shape, list) and len(shape) == 3 else None
        return preprocess(images, self.input, size)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rows of its layers, in order: names, shape, thresholds and counts."""
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
                f"layer {layer}", expected=", ".join(names), found="none of that name", remedy="choose one of these"
            )
        return names.index(layer)

    def require_weights(self, where: object) -> None:
        """Require that planes, steps and values fit each other, and that every weight will be a finite number.

        Args:
            where: what to name in an error.

        Raises:
            FormatError: they do not.
        """
        require_consistent(self.source, self._values_name, where)
        steps, values, source = self.steps, self.values, self.source
        needed = (len(source.layers),) if source.scale == STORED else None
        if (None if steps is None else steps.shape) != needed:
            raise damaged(where, f"{STEPS}, one a layer, with the scale {STORED} and with no other", "others")
        if values is not None and values.shape != (self._starts[SIGN][-1],):
            raise damaged(where, f"{self._starts[SIGN][-1]} values of kept searched weights", f"{list(values.shape)}")
        if values is not None and not np.isfinite(values).all():
            raise damaged(where, "finite numbers in the values", "others")
        largest = float(initializers.LARGEST_UNIT[source.init] * source.coats)
        for layer, step in zip(source.layers, () if steps is None else steps.tolist(), strict=steps is not None):
            reach = step * largest * 1.001  # with what two roundings can add
            fine = reach < float(np.finfo(np.float32).max) and (step > 0 or (layer.kept == 0 and str(step) == "0.0"))
            if not fine:
                expected = "a step above 0 that leads to finite weights"
                raise damaged(f"{where}: layer {layer.name}", expected, f"{step:g}")

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

    @property
    def _values_name(self) -> str:
        return "" if self.values is None else VALUES[self.values.dtype.itemsize == 2]

    @cached_property
    def _starts(self) -> dict[str, list[int]]:
        return starts_of(self.source)

    def _planes_of(self, index: int) -> LayerPlanes:
        return LayerPlanes(self.planes, {plane: starts[index] for plane, starts in self._starts.items()})

    def _span(self, index: int, rows: slice) -> tuple[Layer, int, int]:
        layer = self._layer(index)
        if rows.step not in (None, 1):
            raise RequestError(
                "rows", expected="a slice without a step", found=str(rows), remedy="take every n-th of the result"
            )
        first, last, _ = rows.indices(layer.shape[0])
        return layer, first * layer.fan_in, max(first, last) * layer.fan_in

    def _pieces(self, index: int, layer: Layer, start: int, stop: int) -> Iterator[_Piece]:
        keys, planes = Stream(self.source.seeds.freezing, index, FREEZING), self._planes_of(index)
        passed = 0
        for first, last in pieces(0, start):
            passed += int(np.count_nonzero(~freezing.below(keys.draws(first, last), layer.freeze_threshold)))
        planes.skip(min(passed, layer.searched))
        for first, last in pieces(start, stop):
            drawn = keys.draws(first, last)
            present = ~freezing.below(drawn, layer.prune_threshold)
            # Their numbers, since to select by random bools costs the processor a wrong guess at every other one.
            searched = np.flatnonzero(~freezing.below(drawn, layer.freeze_threshold))
            passed += searched.size
            if passed > layer.searched or (last == layer.size and passed < layer.searched):
                found = "more" if passed > layer.searched else "fewer"
                raise freezing.contradiction(layer, f"{layer.searched} searched", found)
            before = planes.kept_before
            bits, multiplicities, negative = planes.take(searched.size)
            present[searched] = bits
            chosen = None
            if multiplicities is not None or negative is not None or self.values is not None:
                chosen = searched[bits]
            yield _Piece(first, last, present, before, chosen, multiplicities, negative)

    def _fill(self, part: NDArray[np.float32], piece: _Piece, index: int, step: np.float32) -> None:
        """Work out the effective weights of a piece: unit, times step, times multiplicity; or the value itself."""
        source, chosen = self.source, piece.chosen
        if source.init == NO_INIT:
            drawn = np.ones(piece.last - piece.first, np.float32)
        else:
            drawn = initializers.units(source.init, source.seeds.weights, index, piece.first, piece.last)
        if piece.negative is not None:
            drawn[chosen] = 1 - 2 * piece.negative.astype(np.float32)
        drawn *= step
        if piece.multiplicities is not None:
            drawn[chosen] *= piece.multiplicities.astype(np.float32)  # a product with 1 changes nothing
        if self.values is not None and chosen is not None:
            drawn[chosen] = self.values[piece.before : piece.before + chosen.size]
        # The bits times 0 or 1: a weight that is not kept is +0.0, whatever its sign was.
        np.multiply(drawn.view(np.uint32), piece.present, out=part.view(np.uint32), dtype=np.uint32)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some positions of a layer, one behind the other.

    Attributes:
        first: the first of them.
        last: the one behind the last.
        present: which are in the ticket, locked or kept, bool.
        before: how many searched weights are kept before them, in all layers.
        chosen: the searched ones that are kept, counted from `first`; None where nothing more is known of them.
        multiplicities: of these, where there are coats.
        negative: which of these are, where there are signs.
    """

    first: int
    last: int
    present: NDArray[np.bool_]
    before: int
    chosen: NDArray[np.intp] | None
    multiplicities: NDArray[np.uint8] | None
    negative: NDArray[np.bool_] | None


def _counted(source: Source, planes: Mapping[str, Masks]) -> Source:
    """Return the source with the counts of its planes, whose lengths are checked."""
    ones = {name: [int(np.count_nonzero(mask)) for mask in masks] for name, masks in planes.items()}
    further = tuple(planes)[1:]
    if any(len(counts) != len(source.layers) for counts in ones.values()):
        raise ValueError(f"masks for other than the {len(source.layers)} layers")
    layers = tuple(
        replace(layer, kept=layer.locked + ones[KEPT][index], further=tuple(ones[name][index] for name in further))
        for index, layer in enumerate(source.layers)
    )
    counted = replace(source, layers=layers, planes=further)
    for name, masks in planes.items():
        for layer, of_layer, mask in zip(layers, counted.bits_of(name), masks, strict=True):
            if mask.shape != (of_layer.length,):
                raise ValueError(f"a mask {mask.shape} for the {of_layer.length} bits of {layer.name} in plane {name}")
    return counted


def weights_digest(layers: Iterable[NDArray[np.float32]]) -> str:
    """Return the SHA-256 of weights.

    Args:
        layers: the layers' float32 arrays, in order.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for values in layers:
        digest.update(np.ascontiguousarray(values, "<f4").data)
    return digest.hexdigest()
