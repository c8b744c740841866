"""Searches and trainings of every kind, as a user calls them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from sltpack import load
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.searching import runner as loop
from sltpack.searching.run_folder import BEST, METRICS
from sltpack_cli.main import cli

SMALL = ("--model", "conv2", "--width", 0.125, "--data", "digits", "--epochs", 1, "--batch-size", 128)


def sltpack(*words: object, status: int | None = 0) -> Result:
    """Runs a command and makes sure of its exit status, and that no traceback is seen."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status or (status is None and result.exit_code in (1, 2)), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in ImageNet's layout, of two classes that a network can tell apart."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for part, count in (("train", 20), ("val", 4)):
        for name, level in (("n01", 40), ("n02", 200)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(level - 40, level + 40, (50, 60, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.JPEG")
    return folder


def test_train_and_infer(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--model", "conv2", "--width", 0.25, "--data", "digits", "--epochs", 4, "--batch-size", 32)
    printed = sltpack("train", *options, "--learning-rate", 0.02, "--warmup", 1, "-o", folder).stdout
    found = checkpoint_reader.load_any(folder / BEST)
    assert printed.startswith(f"{folder / BEST}: epoch {found.metrics['epoch']} of 4, validation accuracy 0.")
    assert printed.endswith(f", 23,568 weights trained\nnext: sltpack infer {folder / BEST} --data digits\n")
    scored = json.loads(sltpack("infer", folder / BEST, "--data", "digits", "--json").stdout)
    assert scored["accuracy"] == found.metrics["test_accuracy"] > 0.8
    refused = sltpack("pack", folder / BEST, "-o", tmp_path / "model.slt", status=1).stderr
    assert "found weights that sltpack train made, which no seed gives again; run them with sltpack infer" in refused
    assert not (tmp_path / "model.slt").exists()


@pytest.mark.parametrize(
    ("preset", "init", "scale", "sparsity", "prune", "lock"),
    [
        ("dense", "ku", "none", 0.5, 0.0, 0.0),
        ("sparse", "ku", "none", 0.75, 0.5, 0.0),
        ("frozen", "ku", "none", 0.5, 0.25, 0.25),
        ("frozen-80-skc", "skc", "layer", 0.5, 0.4, 0.4),
        ("edge-popup", "skc", "layer", 0.5, 0.0, 0.0),
        ("random", "skc", "layer", 0.5, 0.25, 0.25),
    ],
)
def test_presets(
    tmp_path: Path, preset: str, init: str, scale: str, sparsity: float, prune: float, lock: float
) -> None:
    sltpack("search", *SMALL, "--preset", preset, "-o", tmp_path / "run")
    sltpack("pack", tmp_path / "run" / BEST, "-o", tmp_path / "model.slt")
    source = load(tmp_path / "model.slt").source
    assert (source.init, source.scale) == (init, scale)
    assert source.kept == source.size - round(sparsity * source.size)
    assert source.pruned == round(prune * source.size)
    assert source.locked == round(lock * source.size)
    settings = checkpoint_reader.load(tmp_path / "run" / BEST).settings
    assert (settings["threshold"] == "layer") == (preset == "edge-popup")


def test_random_supermasks_are_each_other_and_the_best_is_kept(tmp_path: Path) -> None:
    options = ("--model", "conv2", "--width", 0.125, "--data", "digits", "--method", "random", "--epochs", 4)
    sltpack("search", *options, "-o", tmp_path)
    history = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    reached = [entry["validation_accuracy"] for entry in history]
    assert len(set(reached)) > 1
    found = checkpoint_reader.load(tmp_path / BEST)
    assert found.metrics["validation_accuracy"] == max(reached)
    assert float(found.scores.min()) >= 0  # drawn, not learned
    again = sltpack("search", *options, "-o", tmp_path, "--resume", "--json")
    assert json.loads(again.stdout)["validation_accuracy"] == max(reached)


def test_a_short_recipe_for_a_short_search(tmp_path: Path) -> None:
    options = ("--model", "conv2", "--width", 0.125, "--data", "digits", "--recipe", "short", "--epochs", 2)
    settings = json.loads(sltpack("search", *options, "-o", tmp_path, "--json").stdout)["settings"]
    assert (settings["epochs"], settings["learning_rate"]) == (2, 1.0)


@pytest.mark.parametrize("command", ["search", "train"])
def test_the_object_of_a_run_has_its_source_as_info_names_it(command: str, tmp_path: Path) -> None:
    options = ("--init", "ku", "--seed", 5, "--learning-rate", 0.01)
    found = json.loads(sltpack(command, *SMALL, *options, "-o", tmp_path, "--json").stdout)
    assert found["model"] == {"name": "conv2", "width": 0.125, "classes": 10, "input_shape": [1, 8, 8]}
    assert (found["init"], found["scale"]) == ("ku", "none")
    frozen = 0.25 if command == "search" else 0.0
    assert found["ratios"] == {"method": "epl", "prune": frozen, "lock": frozen}
    assert found["seeds"] == {"weights": 5, "freezing": 5 if command == "search" else 0}
    assert (found["weights"], found["searched"]) == (6088, 3044 if command == "search" else 6088)
    assert "layers" not in found
    assert "class_names" not in found["settings"]
    if command == "search":
        sltpack("pack", tmp_path / BEST, "-o", tmp_path / "model.slt")
        told = json.loads(sltpack("info", tmp_path / "model.slt", "--json").stdout)
        names = ("model", "init", "scale", "seeds", "ratios", "weights", "searched")
        assert {name: found[name] for name in names} == {name: told[name] for name in names}


def test_packing_what_no_epoch_has_searched_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop, "_epoch", interrupted)
        sltpack("search", *SMALL, "-o", tmp_path / "run", status=130)
    begun = sltpack("pack", tmp_path / "run" / BEST, "-o", tmp_path / "begun.slt")
    assert begun.stderr == (
        "note: the search was stopped in its first epoch, and what it found was never validated; sltpack search --resume "
        "goes on\n"
    )
    sltpack("search", *SMALL, "-o", tmp_path / "run", "--resume")
    assert sltpack("pack", tmp_path / "run" / BEST, "-o", tmp_path / "whole.slt").stderr == ""


def test_a_dry_run_says_what_a_search_comes_to_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(sltpack("search", *SMALL, "--dry-run", "--json").stdout)
    assert (found["weights"], found["pruned"], found["locked"], found["searched"]) == (6088, 1522, 1522, 3044)
    assert (found["epochs"], found["steps"]) == (1, 8)
    assert found["seconds"] >= 8 * found["step_seconds"] > 0
    printed = sltpack("search", *SMALL, "--dry-run", "-o", "run").stdout.splitlines()
    assert printed[0] == "source network: 6,088 weights, 1,522 pruned, 1,522 locked, 3,044 searched"
    assert printed[1] == f"file: about {found['file_bits']:,} bits = {found['file_bits'] // 8:,} bytes"
    assert printed[2].endswith(" ms per step, 8 steps per epoch") and printed[3].endswith(" s for 1 epoch")
    assert not list(tmp_path.iterdir())
    assert "Missing option '-o' / '--output'." in sltpack("search", *SMALL, status=2).stderr
    sltpack("search", *SMALL, "-o", "run")
    sltpack("pack", Path("run") / BEST, "-o", "model.slt")
    assert 8 * Path("model.slt").stat().st_size == pytest.approx(found["file_bits"], rel=0.02)


def test_results_are_one_line_whatever_files_are_called(tmp_path: Path) -> None:
    folder, ticket, weights = tmp_path / "a\nb", tmp_path / "c\nd.slt", tmp_path / "e\nf"
    first, following = sltpack("search", *SMALL, "-o", folder).stdout.splitlines()
    assert following.startswith("next: sltpack pack ") and following.endswith("model.slt'")
    shown = [f"{first}\n"]
    sltpack("pack", folder / BEST, "-o", ticket)
    shown.append(sltpack("verify", ticket).stdout.partition("\n")[0] + "\n")
    shown.append(sltpack("unpack", ticket, "-o", weights).stdout)
    shown.append(sltpack("infer", ticket, "--data", "digits").stdout.partition("\n")[0] + "\n")
    for line, name in zip(shown, ("a\\nb", "c\\nd.slt", "e\\nf", "c\\nd.slt"), strict=True):
        assert line.startswith(str(tmp_path / name))
        assert line.count("\n") == 1


def test_a_ticket_on_photographs(photos: Path, tmp_path: Path) -> None:
    data = ("--data", f"imagenet:{photos}", "--workers", 1)
    options = ("--model", "imagenet-resnet18", "--width", 0.05, "--image-size", 32, "--batch-size", 8, "--epochs", 3)
    sltpack("search", *options, *data, "-o", tmp_path / "run")
    sltpack("pack", tmp_path / "run" / BEST, "-o", tmp_path / "model.slt")
    assert load(tmp_path / "model.slt").classes == ("n01", "n02")
    scored = json.loads(sltpack("infer", tmp_path / "model.slt", *data, "--json").stdout)
    assert scored["images"] == 8
    assert scored["accuracy"] == checkpoint_reader.load(tmp_path / "run" / BEST).metrics["test_accuracy"]
    both = sltpack("infer", tmp_path / "model.slt", *data, "--split", "all", "--predictions", tmp_path / "all.csv")
    assert "of 48\n" in both.stdout
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 49
    picture = photos / "val" / "n02" / "0.JPEG"
    named = json.loads(sltpack("infer", tmp_path / "model.slt", "--image", picture, "--json").stdout)
    with open(tmp_path / "all.csv", newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert list(rows) == [
        str(path.relative_to(photos)) for part in ("train", "val") for path in sorted(photos.glob(f"{part}/*/*"))
    ]
    assert rows["val/n02/0.JPEG"]["predicted_name"] == named[0]["classes"][0][0]
    assert all(row["label_name"] in Path(file).parts for file, row in rows.items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--data", "digits", "--workers", 2),
            "--workers: expected imagenet:PATH as data, found digits; leave --workers out",
        ),
        (
            ("--data", "imagenet:nowhere"),
            "Error: nowhere: expected a folder that can be read, found no such file or directory; check its name and "
            "permissions\n",
        ),
        (("--data", "imagenet:"), "--data: expected one of cifar10, "),
        (("--data", "digits", "--warmup", 100), "--warmup: expected a number of epochs below --epochs, found 100"),
        (
            ("--data", "digits", "--preset", "sparse", "--sparsity", 0.4),
            "--sparsity: expected 0.5..1, which these pruning and locking ratios can reach, found 0.4",
        ),
        (("--data", "digits", "--preset", "lucky"), "Invalid value for '--preset': 'lucky' is not one of 'dense', "),
    ],
)
def test_wrong_calls(tmp_path: Path, words: tuple[object, ...], message: str) -> None:
    refused = sltpack("search", "--model", "conv2", "-o", tmp_path / "run", *words, status=None)
    assert message in refused.stderr
    assert not (tmp_path / "run").exists()
