"""Checkpoints: what is in them, the ticket that they give, and the strangers' files that are refused."""

from __future__ import annotations

import os
import pickle
import signal
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sltpack import save
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import FORMAT, Checkpoint
from sltpack.errors import FormatError, LimitError, OutputError, RequestError, SltpackError
from sltpack.format.records import Source
from sltpack.searching.run_folder import BEST

PLAIN = ": expected a checkpoint of tensors and plain values, found "
KINDS = "the file is damaged, made to do harm, or of a kind that sltpack does not read"


@pytest.fixture
def values(run: tuple[Path, Checkpoint]) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(run[0] / BEST, weights_only=True)
    return loaded


def refusal(tmp_path: Path, values: object) -> str:
    """Saves values as a checkpoint and gives the message with which it is refused, the path left out."""
    path = tmp_path / "c.pt"
    torch.save(values, path)
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    return str(caught.value).removeprefix(str(path))


def test_round_trip(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path = tmp_path / "copy.pt"
    run[1].save(path)
    copy = checkpoint_reader.load(path)
    assert torch.equal(copy.scores, run[1].scores)
    for name in ("source", "kept", "threshold", "settings", "metrics"):
        assert getattr(copy, name) == getattr(run[1], name)


def test_the_ticket_keeps_the_largest_scores(run: tuple[Path, Checkpoint]) -> None:
    found = run[1]
    ticket = found.ticket()
    bits = np.concatenate([ticket.supermask_bits(index) for index in range(len(ticket.source.layers))])
    sizes = found.scores.abs().numpy()
    assert bits.sum() == found.kept
    assert sizes[bits].min() == found.threshold > sizes[~bits].max()
    assert ticket.source.sparsity == pytest.approx(0.5, abs=1e-4)
    assert ticket.about == {
        "data": "digits",
        "epochs": f"{found.metrics['epoch']} of 2",
        "date": "2026-01-01",
        "sltpack": "test",
    }


def test_half_buffers(small_source: Callable[..., Source]) -> None:
    source = small_source(model="resnet18")
    scores = torch.arange(source.searched, dtype=torch.float32)
    buffers = {"norm.running_mean": torch.tensor([0.1, 2.0])}
    found = Checkpoint(source, 5, scores, 0.0, buffers, {}, {})
    assert found.ticket().buffers["norm.running_mean"].dtype == np.float32
    half = found.ticket("f16").buffers["norm.running_mean"]
    assert half.dtype == np.float16
    assert half.tolist() == [np.float16(0.1), 2.0]
    large = replace(found, buffers={"norm.running_var": torch.tensor([1e6])})
    with pytest.raises(SltpackError) as caught:
        large.ticket("f16")
    assert str(caught.value) == (
        "buffer norm.running_var: expected numbers that fit float16, up to 65504, found 1e+06; pack with --buffers f32"
    )


class Malicious:
    """A pickle that would run a command."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_that_would_run_code(tmp_path: Path, save: Callable[[object, Path], object]) -> None:
    path, proof = tmp_path / "evil.pt", tmp_path / "proof"
    save({"format": FORMAT, "scores": Malicious(proof)}, path)
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    assert str(caught.value) == (
        f"{path}: expected a checkpoint of tensors and plain values, found a pickle that names code to run, "
        f"{os.mkdir.__module__}.mkdir; none of it was run; make one with sltpack search or train"
    )
    assert not proof.exists()


def test_a_ticket_is_packed_already(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path = tmp_path / "model.slt"
    save(run[1].ticket(), path)
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    assert str(caught.value) == (
        f"{path}: expected a checkpoint, found a ticket; it is packed already; see sltpack info"
    )


def test_another_tools_checkpoint(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"state_dict": {"conv1.weight": torch.zeros(3)}}) == (
        ": expected a checkpoint of sltpack, found another tool's checkpoint, without scores; make one with "
        "sltpack search or train"
    )
    assert refusal(tmp_path, torch.zeros(3)) == (
        ": expected a checkpoint of sltpack, found Tensor; make one with sltpack search or train"
    )


def test_values_that_do_not_fit(tmp_path: Path, values: dict[str, Any]) -> None:
    searched = len(values["scores"])
    expected = f"float32 [{searched}], one for each searched weight"
    made = "; make one with sltpack search or train"
    for change, message in (
        ({"scores": None}, f": scores: expected {expected}, found none{made}"),
        ({"scores": torch.zeros(3)}, f": scores: expected {expected}, found float32 [3]{made}"),
        (
            {"scores": torch.zeros(searched).double()},
            f": scores: expected {expected}, found float64 [{searched}]{made}",
        ),
        ({"memory": {"m": [0.0]}}, f": memory m: expected {expected}, found list{made}"),
        ({"memory": None}, f": memory: expected tensors by name, found none{made}"),
        ({"memory": {0: torch.zeros(searched)}}, f": memory: expected tensors by name, found dict{made}"),
        ({"version": 2, "momentum": [0.0]}, f": memory momentum_buffer: expected {expected}, found list{made}"),
        (
            {"scores": torch.full((searched,), torch.nan)},
            ": scores: expected finite numbers, found others; run it again at a lower rate",
        ),
        (
            {"scores": torch.zeros(searched).to_sparse()},
            f"{PLAIN}a pickle that names code to run, torch._utils._rebuild_sparse_tensor; none of it was run{made}",
        ),
        ({"kept": searched + 1}, f": kept: expected an integer in 0..{searched}, found {searched + 1}{made}"),
        ({"kept": 1.5}, f": kept: expected an integer in 0..{searched}, found 1.5{made}"),
        ({"buffers": 5}, f": buffers: expected tensors by name, found int{made}"),
        ({"buffers": {"x": 1}}, f": buffers: expected finite float32 tensors by name, found 'x': int{made}"),
        (
            {"buffers": {5: torch.ones(2)}},
            f": buffers: expected finite float32 tensors by name, found 5: float32 [2]{made}",
        ),
        (
            {"buffers": {"x": torch.full((2,), torch.inf)}},
            f": buffers: expected finite float32 tensors by name, found 'x': float32 [2]{made}",
        ),
        (
            {"settings": {"class_names": 5}},
            f": settings: expected class_names, a list of texts, found 5{made}",
        ),
        (
            {"metrics": {"epoch": 0, "history": [], "test_accuracy": [1]}},
            f": metrics: expected test_accuracy, a number from 0 to 1, found [1]{made}",
        ),
        ({"threshold": "high"}, f": threshold: expected a number, found 'high'{made}"),
        (
            {"metrics": None},
            f": settings and metrics: expected values by name, with a history of numbers by name, found others{made}",
        ),
        (
            {"metrics": {"epoch": 1, "history": [{}]}},
            f": settings and metrics: expected values by name, with a history of numbers by name, found others{made}",
        ),
        ({"metrics": {"history": []}}, f": metrics: expected epoch, a whole number, found None{made}"),
        (
            {"buffers": {"x": torch.zeros(3, dtype=torch.complex64).conj().imag}},
            f"{PLAIN}a pickle with a tensor with hooks or notes; {KINDS}{made}",
        ),
        (
            {"buffers": {"\udce9": torch.zeros(3)}},
            f": buffers: expected finite float32 tensors by name, found '\\udce9': float32 [3]{made}",
        ),
        (
            {"version": torch.ones(2)},
            ": expected version 1, 2 or 3 of the checkpoint, found version tensor([1., 1.]); use the sltpack that wrote it",
        ),
        (
            {"version": 4},
            ": expected version 1, 2 or 3 of the checkpoint, found version 4; use the sltpack that wrote it",
        ),
        (
            {"init": "magic"},
            ": init: expected ku or skc or none, found 'magic'; read the file with a newer sltpack, or get it again",
        ),
    ):
        assert refusal(tmp_path, {**values, **change}) == message


def many(count: int) -> dict[str, torch.Tensor]:
    shared = torch.zeros(1 << 20)
    return {str(number): shared[number:] for number in range(count)}


@pytest.mark.parametrize("more", [{"x": torch.zeros(1).expand(10**11)}, many(1000)])
def test_tensors_that_share_their_numbers(tmp_path: Path, values: dict[str, Any], more: dict[str, Any]) -> None:
    told = refusal(tmp_path, {**values, "buffers": more})
    limit = 4 * (tmp_path / "c.pt").stat().st_size + (1 << 24)
    assert told == (
        f"{PLAIN}a pickle whose values take more than {limit} bytes, some used again and again; {KINDS}; make one with "
        "sltpack search or train"
    )


@pytest.mark.parametrize("length", [0, 1, 100, 5000])
def test_a_file_that_is_cut(run: tuple[Path, Checkpoint], tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.pt"
    path.write_bytes((run[0] / BEST).read_bytes()[:length])
    with pytest.raises(FormatError, match=r"make one with sltpack search or train$"):
        checkpoint_reader.load(path)


def test_a_buffer_that_needs_gradients_is_read(tmp_path: Path, values: dict[str, Any]) -> None:
    torch.save({**values, "buffers": {"x": torch.ones(2, requires_grad=True)}}, tmp_path / "c.pt")
    assert checkpoint_reader.load(tmp_path / "c.pt").ticket().buffers["x"].tolist() == [1.0, 1.0]


def test_a_full_disk_leaves_the_old_checkpoint(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    """The limit on a file's size is the nearest to a full disk that a test can have."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "last.pt"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            run[1].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert str(caught.value) == (
        f"{path}: expected a place that can be written, found file too large; what was there before is as it was; check "
        "the folder, its permissions and the free space"
    )
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]


def test_more_weights_than_allowed(run: tuple[Path, Checkpoint]) -> None:
    with pytest.raises(LimitError):
        checkpoint_reader.load(run[0] / BEST, max_weights=run[1].source.size - 1)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        checkpoint_reader.load(tmp_path / "none.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'none.pt'}: expected a checkpoint, found no such file or directory; make one with sltpack search or train"
    )


def test_a_small_file_that_would_take_much_memory(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    values = torch.load(run[0] / BEST, weights_only=True)
    torch.save({**values, "more": torch.zeros(1 << 20)}, tmp_path / "large.pt")
    with zipfile.ZipFile(tmp_path / "large.pt") as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    assert path.stat().st_size < 200_000
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    assert str(caught.value) == (
        f"{path}{PLAIN}an archive with parts that are compressed; {KINDS}; make one with sltpack search or train"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"settings": {"epochs": torch.zeros(3)}},
            ": settings: expected 'epochs', a number or text, or a list of texts, found float32 [3]; make one with "
            "sltpack search or train",
        ),
        (
            {"metrics": {"epoch": 1, "history": [{"validation_accuracy": 0.5}]}},
            ": settings and metrics: expected values by name, with a history of numbers by name, found others; make one "
            "with sltpack search or train",
        ),
        (
            {"metrics": {"epoch": 1, "history": [{"epoch": 1, "validation_accuracy": float("nan")}]}},
            ": settings and metrics: expected values by name, with a history of numbers by name, found others; make one "
            "with sltpack search or train",
        ),
        (
            {"settings": {5: 1}},
            ": settings: expected texts as names, found 5; make one with sltpack search or train",
        ),
        ({"by_layer": 1}, ": by_layer: expected true or false, found 1; make one with sltpack search or train"),
    ],
)
def test_values_that_would_fail_later(
    tmp_path: Path, values: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    assert refusal(tmp_path, {**values, **change}) == message


def test_a_checkpoint_of_version_1_is_read(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    values = torch.load(run[0] / BEST, weights_only=True)
    values.pop("by_layer")
    torch.save({**values, "version": 1}, tmp_path / "old.pt")
    old = checkpoint_reader.load(tmp_path / "old.pt")
    assert torch.equal(old.scores, run[1].scores)
    assert not old.by_layer


def test_no_bit_flips_unnoticed(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path, data = tmp_path / "flipped.pt", (run[0] / BEST).read_bytes()
    changed = np.random.default_rng(0).integers(0, 8 * len(data), 400).tolist()
    noticed = 0
    for bit in changed:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = checkpoint_reader.load(path)
        except FormatError:
            noticed += 1
            continue
        # What no sum covers says nothing: the filling between the parts, and the archive's notes on them.
        assert torch.equal(found.scores, run[1].scores)
        assert found.source == run[1].source
        assert all(torch.equal(found.buffers[name], values) for name, values in run[1].buffers.items())
    assert noticed > len(changed) / 2


def test_a_changed_number_is_told(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path, data = tmp_path / "changed.pt", bytearray((run[0] / BEST).read_bytes())
    place = data.index(run[1].scores.numpy().tobytes()[:64])
    data[place + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    told = str(caught.value)
    assert told.startswith(f"{path}{PLAIN}an archive whose part data/")
    assert told.endswith(" is not what was written; the file is damaged; make one with sltpack search or train")


class Overridden(dict[str, Any]):
    """A dictionary whose pickle sets an attribute that hides a method."""

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, (), {"get": 5}, None, iter(self.items())


class Hidden(torch.nn.Parameter):
    """A parameter whose pickle sets an attribute that hides a method."""

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return (*torch.nn.Parameter(self.data).__reduce_ex__(2), {"numel": 5})


def test_attributes_that_hide_methods(tmp_path: Path, values: dict[str, Any]) -> None:
    made = "make one with sltpack search or train"
    assert (
        refusal(tmp_path, Overridden(values)) == f"{PLAIN}a pickle with a dictionary with attributes; {KINDS}; {made}"
    )
    hidden = Hidden(values["scores"])
    assert refusal(tmp_path, {**values, "scores": hidden}) == (
        f"{PLAIN}a pickle that changes what is no object; {KINDS}; {made}"
    )


def test_a_parameter_is_read_as_a_tensor(tmp_path: Path, values: dict[str, Any]) -> None:
    torch.save({**values, "scores": torch.nn.Parameter(values["scores"])}, tmp_path / "c.pt")
    assert type(checkpoint_reader.load(tmp_path / "c.pt").scores) is torch.Tensor


def test_the_old_container_is_no_checkpoint_of_sltpack_with_an_archive_behind(
    run: tuple[Path, Checkpoint], tmp_path: Path, values: dict[str, Any]
) -> None:
    path = tmp_path / "old.pt"
    torch.save(values, path, _use_new_zipfile_serialization=False)
    assert torch.equal(checkpoint_reader.load(path).scores, values["scores"])
    path.write_bytes(path.read_bytes() + (run[0] / BEST).read_bytes())
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(path)
    assert str(caught.value) == (
        f"{path}{PLAIN}a container that is cut, or has something behind it; the file is damaged; make one with sltpack "
        "search or train"
    )
