"""The commands, as a user calls them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from sltpack import __version__, load
from sltpack.checkpoints.records import Checkpoint
from sltpack.data.dataset import DataSet
from sltpack.data.images.in_memory import Normaliser
from sltpack.errors import FormatError
from sltpack.format import container
from sltpack.inference.network import build
from sltpack.searching.run_folder import BEST
from sltpack_cli.main import cli


def sltpack(*words: object, status: int = 0) -> Result:
    """Runs a command and makes sure of its exit status, and that no traceback is seen."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture(scope="module")
def packed(run: tuple[Path, Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.slt"
    sltpack("pack", run[0] / BEST, "-o", path)
    return path


def test_version_and_help() -> None:
    assert sltpack("--version").stdout == f"sltpack, version {__version__}\n"
    for name in cli.commands:
        assert "Examples:\n    sltpack " in sltpack(name, "--help").stdout


def test_search_pack_info_unpack_infer(digits: DataSet, tmp_path: Path) -> None:
    folder, path, weights = tmp_path / "run", tmp_path / "model.slt", tmp_path / "weights.safetensors"
    options = ("--model", "conv2", "--width", 0.25, "--data", "digits", "--epochs", 3, "--batch-size", 32)
    searched = sltpack("search", *options, "--sparsity", 0.5, "--freeze", 0.5, "-o", folder)
    metrics = torch.load(folder / BEST, weights_only=True)["metrics"]
    assert searched.stdout == (
        f"{folder / BEST}: epoch {metrics['epoch']} of 3, validation accuracy {metrics['validation_accuracy']:.4f}, "
        f"test accuracy {metrics['test_accuracy']:.4f}, 11,784 of 23,568 weights searched\n"
        f"next: sltpack pack {folder / BEST} -o {folder / 'model.slt'}\n"
    )
    assert all(line.startswith(("epoch ", "search ")) for line in searched.stderr.splitlines())  # no bar in a pipe
    assert metrics["test_accuracy"] > 0.8

    printed = sltpack("pack", folder / BEST, "-o", path).stdout
    assert printed.startswith(f"{path}  {8 * path.stat().st_size:,} bits = {path.stat().st_size:,} bytes\n")
    assert "supermask" in printed

    info = json.loads(sltpack("info", path, "--json").stdout)
    assert info["file_bits"] == 8 * path.stat().st_size == sum(info["parts"].values())
    assert info["paper_bits"] == info["searched"] == 11784
    assert info["weights"] == 23568
    assert info["kept"] == 23568 - 11784
    assert sum(layer["searched"] for layer in info["layers"]) == info["searched"]

    sltpack("unpack", path, "-o", weights)
    state = load_file(weights)
    assert sum(int(np.count_nonzero(tensor)) for tensor in state.values()) == info["kept"]

    scored = json.loads(sltpack("infer", path, "--data", "digits", "--json").stdout)
    assert scored["accuracy"] == metrics["test_accuracy"]
    assert scored["images"] == len(digits.test)


def test_resume_and_a_folder_in_use(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    options = ("--model", "conv2", "--width", 0.125, "--data", "digits", "--epochs", 1, "-o", tmp_path / "run")
    sltpack("search", *options)
    refused = sltpack("search", *options, status=2)
    assert refused.stderr == (
        f"Error: {tmp_path / 'run'}: expected a folder without a run, found one with checkpoints; go on with --resume, "
        "or choose another folder\n"
    )
    printed = json.loads(sltpack("search", *options, "--resume", "--json").stdout)
    assert printed["checkpoint"] == str(tmp_path / "run" / BEST)
    assert printed["epoch"] == printed["settings"]["epochs"] == 1
    assert 0 <= printed["test_accuracy"] <= 1


def test_info_for_people(packed: Path) -> None:
    shown = sltpack("info", packed, "--layers").stdout
    for words in (
        "conv2 (width 0.125",
        "data digits",
        "where the bits go",
        "supermask",
        "paper's count",
        "conv1",
        "8x1x3x3",
    ):
        assert words in shown
    assert "\x1b" not in shown  # no colours in a pipe
    assert max(map(len, shown.splitlines())) < 130


@pytest.mark.parametrize("codec", ["raw", "rans"])
def test_a_codec_that_is_asked_for(run: tuple[Path, Checkpoint], tmp_path: Path, codec: str) -> None:
    path = tmp_path / "model.slt"
    sltpack("pack", run[0] / BEST, "-o", path, "--codec", codec)
    info = json.loads(sltpack("info", path, "--json").stdout)
    assert info["codec"] == codec
    each = info["supermask_bits"] / info["searched"]
    assert (each < 1) == (codec == "rans")
    shown = sltpack("info", path).stdout
    assert f"supermask      {info['supermask_bits']:>13,} bits, {each:.3f} per searched weight\n" in shown
    assert f"codec {codec}\n" in shown
    assert " per searched weight, by layer densities\n" in shown
    listed = sltpack("info", path, "--layers").stdout
    written = [layer["written"] for layer in info["layers"]]
    assert written == ["raw"] * len(written) if codec == "raw" else "coded" in written
    assert [line.split()[-1] for line in listed.splitlines() if line.startswith(("conv", "linear"))] == written
    parts = info["supermask_parts"]
    assert sum(parts.values()) == info["supermask_bits"]
    told = ", ".join(f"{name.replace('_', ' ')} {bits:,}" for name, bits in parts.items())
    assert f"\nbits of the supermask: {told}\n" in listed
    assert f"weights_sha256  {load(path).weights_sha256}\n" in sltpack("verify", path).stdout
    sltpack("unpack", path, "-o", tmp_path / "weights.safetensors")
    sltpack("infer", path, "--data", "digits", "--limit", 10)


def test_pack_in_json_with_half_buffers(tmp_path: Path, digits: DataSet) -> None:
    folder = tmp_path / "run"
    options = ("--model", "resnet18", "--width", 0.05, "--data", "digits", "--epochs", 1, "--batch-size", 512)
    sltpack("search", *options, "-o", folder)
    sizes = {}
    for kind in ("f32", "f16"):
        path = tmp_path / f"{kind}.slt"
        result = json.loads(sltpack("pack", folder / BEST, "-o", path, "--buffers", kind, "--json").stdout)
        assert result["file"] == str(path)
        assert result["file_bits"] == 8 * path.stat().st_size == sum(result["parts"].values())
        sizes[kind] = result["parts"]["buffers"]
        sltpack("infer", path, "--data", "digits", "--limit", 10)
    assert sizes["f32"] == 2 * sizes["f16"] > 0


def test_unpack_in_torch_with_parts(packed: Path, tmp_path: Path) -> None:
    ticket, path = load(packed), tmp_path / "parts.pt"
    printed = sltpack("unpack", packed, "-o", path, "--format", "torch", "--parts").stdout
    assert printed == (f"{path}: 20 tensors, {ticket.source.size:,} weights, weights_sha256 {ticket.weights_sha256}\n")
    state = torch.load(path, weights_only=True)
    for layer in ticket.source.layers:
        source, frozen, bits = (state[f".{part}.{layer.parameter}"] for part in ("source", "freezing", "supermask"))
        kept = (frozen == 1) | (bits == 1)
        assert torch.equal(torch.where(kept, source, 0.0), state[layer.parameter])
        assert frozen.dtype == torch.int8
        assert int((frozen == -1).sum()) == layer.pruned
        assert not bool(bits[frozen != 0].any())


def test_unpacked_weights_are_ready_for_load_state_dict(packed: Path, tmp_path: Path, digits: DataSet) -> None:
    path = tmp_path / "state.pt"
    sltpack("unpack", packed, "-o", path, "--format", "torch")
    from sltpack import models

    ticket = load(packed)
    model = models.build(ticket.source.model)
    model.load_state_dict(torch.load(path, weights_only=True))
    images = digits.test.normalise(digits.test.pixels[:20])
    assert torch.equal(model.eval()(images).argmax(1), build(ticket)(images).argmax(1))


def test_verify(packed: Path) -> None:
    ticket = load(packed)
    with safe_open(packed, "np") as file:
        digests = {"file_sha256": file.metadata()["file_sha256"], "weights_sha256": ticket.weights_sha256}
    assert sltpack("verify", packed).stdout == (
        f"{packed}: ok\nfile_sha256     {digests['file_sha256']}\nweights_sha256  {digests['weights_sha256']}\n"
    )
    assert json.loads(sltpack("verify", packed, "--json").stdout) == {"file": str(packed), "ok": True, **digests}


def test_unpack_in_json(packed: Path, tmp_path: Path) -> None:
    ticket, path = load(packed), tmp_path / "w.safetensors"
    assert json.loads(sltpack("unpack", packed, "-o", path, "--json").stdout) == {
        "file": str(path),
        "tensors": len(ticket.source.layers),
        "weights": ticket.source.size,
        "weights_sha256": ticket.weights_sha256,
    }


def test_verify_tells_a_changed_bit(packed: Path, tmp_path: Path) -> None:
    changed = bytearray(packed.read_bytes())
    changed[-1] ^= 1
    path = tmp_path / "changed.slt"
    path.write_bytes(changed)
    with pytest.raises(FormatError) as caught:
        container.read(path)
    message = str(caught.value)
    assert re.fullmatch(
        f"{re.escape(str(path))}: expected content with the SHA-256 [0-9a-f]{{16}}..., found [0-9a-f]{{16}}...; the file is "
        "damaged; get it again",
        message,
    )
    for command in (("verify", path), ("info", path), ("infer", path, "--data", "digits")):
        refused = sltpack(*command, status=1)
        assert refused.stderr == f"Error: {message}\n"
        assert refused.stdout == ""
    refused = sltpack("verify", path, "--json", status=1)
    assert json.loads(refused.stdout) == {"file": str(path), "ok": False, "error": message}
    assert refused.stderr == ""


def test_verify_tells_wrong_weights(packed: Path, tmp_path: Path) -> None:
    good = container.read(packed)
    from dataclasses import replace

    wrong = replace(good, header=replace(good.header, weights_sha256="0" * 64))
    path = tmp_path / "wrong.slt"
    path.write_bytes(container.encode(wrong))
    digest = good.header.weights_sha256[:16]
    for command in (("verify", path), ("infer", path, "--data", "digits"), ("unpack", path, "-o", tmp_path / "w.st")):
        assert sltpack(*command, status=1).stderr == (
            f"Error: {path}: expected weights with the SHA-256 {'0' * 16}..., found {digest}...; the file was not made by "
            "a correct writer, or this machine computes wrongly\n"
        )
    assert not (tmp_path / "w.st").exists()


def test_predictions(packed: Path, tmp_path: Path, digits: DataSet) -> None:
    path = tmp_path / "out.csv"
    shown = sltpack(
        "infer",
        packed,
        *("--data", "digits", "--split", "all", "--limit", 1500),
        *("--device", "cpu", "--predictions", path),
    ).stdout
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["index"]) for row in rows] == list(range(1500))
    labels = torch.cat([digits.train.labels, digits.test.labels])[:1500].tolist()
    assert [int(row["label"]) for row in rows] == labels
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert f"accuracy {right / 1500:.4f}, {right:,} of 1,500\n" in shown
    assert all(row["predicted_name"] == row["predicted"] for row in rows)
    refused = sltpack("infer", packed, "--data", "digits", "--predictions", path, status=2)
    assert refused.stderr == (
        f"Error: {path}: expected a name that is free, found a file of that name; choose another name or pass --force\n"
    )
    assert re.fullmatch(
        r".*\n.*\n[\d,]+ images a second on cpu, loaded in \d+\.\d\d s, peak memory of the process [\d,]+ MiB\n", shown
    )


def test_images_by_name(packed: Path, tmp_path: Path, digits: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(digits.test.pixels[index, :, :, 0].numpy()).save(paths[-1])
    images = digits.test.normalise(digits.test.pixels[:3])
    expected = build(load(packed))(images).softmax(1)
    ranked = json.loads(sltpack("infer", packed, "--image", *paths, "--json").stdout)
    for shares, entry, path in zip(expected, ranked, paths, strict=True):
        assert entry["file"] == str(path)
        name, share = entry["classes"][0]
        assert name == str(int(shares.argmax()))
        assert share == pytest.approx(float(shares.max()), rel=1e-5)
    sizes, normalise = [], Normaliser.__call__
    monkeypatch.setattr(
        Normaliser, "__call__", lambda self, pixels: sizes.append(len(pixels)) or normalise(self, pixels)
    )
    lines = sltpack("infer", packed, "--batch-size", 2, "--image", *paths).stdout.splitlines()
    assert sizes == [2, 1]
    assert [line.split(": ")[0] for line in lines] == list(map(str, paths))
