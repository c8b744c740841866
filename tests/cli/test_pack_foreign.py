"""`pack --from`: checkpoints of other codes, what has to be said about them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from sltpack import load
from sltpack.checkpoints.records import Checkpoint
from sltpack.searching.run_folder import BEST
from sltpack_cli.main import cli

KINDS = (
    "frozen, supsup, gem-miner, gem-miner-ep, gem-miner-global-ep, biprop, hidden-networks, ugt, iterand, multicoated, "
    "torch-prune, mask"
)


def pack(checkpoint: Path, out: Path, *words: object, status: int = 0) -> Result:
    """Packs a checkpoint, and makes sure of the exit status, and that nothing is left of what fails."""
    result = CliRunner().invoke(cli, ["pack", str(checkpoint), "-o", str(out), *map(str, words)])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert out.exists() == (status == 0)
    return result


def refusal(checkpoint: Path, out: Path, *words: object, status: int = 2) -> str:
    result = pack(checkpoint, out, *words, status=status)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A checkpoint as hidden-networks writes it: weights of many sizes, scores, and no rate."""
    made = torch.Generator().manual_seed(1)
    state = {
        f"module.{layer}.{part}": torch.randn(shape, generator=made)
        for layer, shape in {"conv": (4, 1, 3, 3), "linear": (2, 4)}.items()
        for part in ("weight", "scores")
    }
    path = tmp_path / "model_best.pth"
    torch.save({"epoch": 3, "arch": "cResNet18", "state_dict": state}, path)
    return path


def effective(foreign: Path, kept: float) -> dict[str, np.ndarray]:
    """The weights that the code computes with, by its own rule."""
    state = torch.load(foreign, weights_only=True)["state_dict"]
    weights = {}
    for layer in ("conv", "linear"):
        scores, values = state[f"module.{layer}.scores"], state[f"module.{layer}.weight"]
        mask = torch.ones(scores.numel())
        mask[scores.abs().flatten().argsort()[: int((1 - kept) * scores.numel())]] = 0
        weights[f"{layer}.weight"] = (values * mask.reshape(values.shape)).numpy()
    return weights


def unpacked(ticket: Path) -> dict[str, np.ndarray]:
    path = ticket.with_suffix(".safetensors")
    result = CliRunner().invoke(cli, ["unpack", str(ticket), "-o", str(path)])
    assert result.exit_code == 0, result.output
    return load_file(path)


@pytest.mark.parametrize("kind", [(), ("--from", "auto"), ("--from", "hidden-networks")])
@pytest.mark.parametrize("share", [("--prune-rate", 0.25), ("--sparsity", 0.75)])
def test_values_come_back_bit_for_bit(
    kind: tuple[object, ...], share: tuple[object, ...], foreign: Path, tmp_path: Path
) -> None:
    out = tmp_path / "theirs.slt"
    printed = pack(foreign, out, *kind, *share, "--values", "f32").stdout
    assert printed.startswith("hidden-networks: 25.0 % kept, 75.0 % removed; kept values are stored\n")
    found = unpacked(out)
    assert {name: found[name].tobytes() for name in found} == {
        name: np.where(weight == 0, np.float32(0), weight).tobytes()
        for name, weight in effective(foreign, 0.25).items()
    }


def test_values_in_half_the_bits(foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "theirs.slt"
    told = json.loads(pack(foreign, out, "--prune-rate", 0.25, "--values", "f16", "--json").stdout)
    assert told["found"] == "hidden-networks: 25.0 % kept, 75.0 % removed; kept values are stored"
    assert told["file_bits"] == sum(told["parts"].values()) == 8 * out.stat().st_size
    found = unpacked(out)
    for name, weight in effective(foreign, 0.25).items():
        assert np.array_equal(found[name], weight.astype(np.float16).astype(np.float32))
    assert load(out).origin == "values stored"


def test_signs_are_enough_where_all_weights_have_one_size(tmp_path: Path) -> None:
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    path, out = tmp_path / "signs.pth", tmp_path / "signs.slt"
    torch.save({"state_dict": {"linear.weight": 0.5 * signs, "linear.scores": torch.arange(4.0).reshape(2, 2)}}, path)
    printed = pack(path, out, "--prune-rate", 0.5).stdout.split()
    assert " ".join(printed).startswith(
        "hidden-networks: 50.0 % kept, 50.0 % removed; signs and one step a layer are stored "
    )
    assert unpacked(out)["linear.weight"].tolist() == [[0.0, 0.0], [-0.5, 0.5]]


def test_a_rate_that_the_file_does_not_hold_has_to_be_given(foreign: Path, tmp_path: Path) -> None:
    assert refusal(foreign, tmp_path / "out.slt") == (
        f"{foreign}: expected to be told the rate, which this file does not hold (prune_rate, the share kept), found no "
        "rate; pass --prune-rate with the code's own prune_rate, or --sparsity with the share removed"
    )


def test_weights_that_signs_cannot_hold_are_refused_without_values(foreign: Path, tmp_path: Path) -> None:
    assert refusal(foreign, tmp_path / "out.slt", "--prune-rate", 0.25) == (
        f"{foreign}: conv.weight: expected kept weights that are plus or minus one number a layer, which signs can hold, "
        "found weights of many sizes, from a generator that no reader has; store the kept weights themselves with "
        "--values f32 or f16; the ticket is then not seeded"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--from", "hidden-network"),
            f"--from: expected auto or one of {KINDS}, found hidden-network; did you mean hidden-networks?",
        ),
        (("--from", "x"), f"--from: expected auto or one of {KINDS}, found x; choose one of them"),
        (("--prune-rate", 1.5), "{}: expected rates in 0..1, found 1.5; pass shares, such as 0.3"),
        (("--prune-rate", "nan"), "{}: expected rates in 0..1, found nan; pass shares, such as 0.3"),
        (("--prune-rate", "0.1,0.2"), "{}: expected one rate for all layers, found 2; pass one number"),
    ],
)
def test_wrong_choices(words: tuple[object, ...], message: str, foreign: Path, tmp_path: Path) -> None:
    assert refusal(foreign, tmp_path / "out.slt", *words) == message.format(foreign)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--prune-rate", 0.3, "--sparsity", 0.7),
            "--prune-rate and --sparsity say the same; leave one of them out Help: sltpack pack --help",
        ),
        (
            ("--prune-rate", "0.3,much"),
            "Invalid value for '--prune-rate': '0.3,much' is not a number, or numbers with commas between them Help: "
            "sltpack pack --help",
        ),
    ],
)
def test_wrong_calls(words: tuple[object, ...], message: str, foreign: Path, tmp_path: Path) -> None:
    assert refusal(foreign, tmp_path / "out.slt", *words) == message


@pytest.mark.parametrize(
    "words", [("--prune-rate", 0.3), ("--sparsity", 0.7), ("--task", 0), ("--values", "f16"), ("--from", "auto")]
)
def test_sltpacks_own_checkpoint_takes_no_such_option(
    words: tuple[object, ...], run: tuple[Path, Checkpoint], tmp_path: Path
) -> None:
    checkpoint = run[0] / BEST
    if words == ("--from", "auto"):
        pack(checkpoint, tmp_path / "out.slt", *words)
        return
    assert refusal(checkpoint, tmp_path / "out.slt", *words) == (
        f"{checkpoint}: expected another code's checkpoint, for which rates, tasks and values are chosen, found one of "
        "sltpack, which holds all of them; leave these options out"
    )
