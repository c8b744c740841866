"""Wrong calls and strangers' files: one line on standard error, an exit status, nothing half done."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sltpack import bundled, models, save
from sltpack.checkpoints.records import Checkpoint
from sltpack.format.records import Ratios, Seeds
from sltpack.searching.run_folder import BEST
from sltpack.source.network import make_source
from sltpack.tickets.ticket import Ticket
from sltpack_cli.main import cli

HELP = re.compile(r" Help: sltpack[a-z -]* --help$")
"""What ends the line about a wrong call."""


def refusal(*words: object, status: int) -> str:
    """Runs a command that fails, and gives its one line without the mark in front."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    return HELP.sub("", lines[0].removeprefix("Error: "))


@pytest.fixture(scope="module")
def packed(run: tuple[Path, Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.slt"
    assert CliRunner().invoke(cli, ["pack", str(run[0] / BEST), "-o", str(path)]).exit_code == 0
    return path


@pytest.mark.parametrize("command", ["info", "verify", "unpack", "infer"])
def test_no_such_file(command: str, tmp_path: Path) -> None:
    path = tmp_path / "none.slt"
    more = {"unpack": ["-o", tmp_path / "out"], "infer": ["--data", "digits"]}.get(command, [])
    assert refusal(command, path, *more, status=2) == (
        f"{path}: expected a .slt file, found no such file or directory; check the name"
    )


@pytest.mark.parametrize("command", ["info", "verify", "unpack", "infer"])
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((), "a .slt file or the name of a ticket in the package ()"),
        (("one", "two"), "a .slt file or the name of a ticket in the package (one, two)"),
    ],
)
def test_no_such_ticket(
    command: str, there: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in there:
        (tmp_path / f"{name}.slt").touch()
    monkeypatch.setattr(bundled, "_FOLDER", tmp_path)
    more = {"unpack": ["-o", tmp_path / "out"], "infer": ["--data", "digits"]}.get(command, [])
    assert refusal(command, "three", *more, status=2) == (
        f"three: expected {expected}, found no such file or directory; check the name"
    )
    assert refusal(command, "three.slt", *more, status=2) == (
        "three.slt: expected a .slt file, found no such file or directory; check the name"
    )


@pytest.mark.parametrize("command", ["info", "verify", "unpack", "infer"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a .slt file (safetensors), found only 0 bytes; the file is damaged; get it again"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            "expected a .slt file (safetensors) with its whole header, found one that is cut, or of another kind (108 "
            "bytes); the file is damaged; get it again",
        ),
    ],
)
def test_files_of_another_kind(command: str, data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.slt"
    path.write_bytes(data)
    more = {"unpack": ["-o", tmp_path / "out"], "infer": ["--data", "digits"]}.get(command, [])
    assert refusal(command, path, *more, status=1) == f"{path}: {message}"


@pytest.mark.parametrize("command", ["info", "verify", "unpack"])
def test_a_checkpoint_that_is_not_packed_yet(command: str, run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    more = ["-o", tmp_path / "out"] if command == "unpack" else []
    assert refusal(command, run[0] / BEST, *more, status=1) == (
        f"{run[0] / BEST}: expected a .slt file (safetensors), found a zip archive, as checkpoints are; pack a search's "
        "ckpt.pt first (sltpack pack), or run it as it is (sltpack infer)"
    )


def test_more_weights_than_allowed(packed: Path) -> None:
    assert refusal("info", packed, "--max-weights", 1000, status=1) == (
        f"{packed}: expected at most 1000 weights, found 6088 weights; if you trust the file, allow as many (--max-weights "
        "6088, or max_weights= in Python)"
    )


@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_an_output_that_exists(command: str, run: tuple[Path, Checkpoint], packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    source = run[0] / BEST if command == "pack" else packed
    assert refusal(command, source, "-o", out, status=2) == (
        f"{out}: expected a name that is free, found a file of that name; choose another name or pass --force"
    )
    assert out.read_text() == "mine"
    assert CliRunner().invoke(cli, [command, str(source), "-o", str(out), "--force"]).exit_code == 0
    assert out.read_bytes() != b"mine"


@pytest.mark.parametrize("command", ["pack", "unpack"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_place_that_cannot_be_written(
    command: str, code: int, run: tuple[Path, Checkpoint], packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)  # for file systems without links
    source, out = run[0] / BEST if command == "pack" else packed, tmp_path / "out"
    assert refusal(command, source, "-o", out, status=1) == (
        f"{out}: expected a place that can be written, found {os.strerror(code).lower()}; what was there before is "
        "as it was; check the folder, its permissions and the free space"
    )
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing(packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "none" / "out"
    assert refusal("unpack", packed, "-o", out, status=1) == (
        f"{out}: expected a place that can be written, found no such file or directory; what was there before is "
        "as it was; check the folder, its permissions and the free space"
    )


def test_wrong_calls_of_infer(packed: Path, tmp_path: Path) -> None:
    how = "give either --data NAME, or image files, as in: infer FILE a.png b.png"
    assert refusal("infer", packed, status=2) == how
    assert refusal("infer", packed, "--image", status=2) == how
    assert refusal("infer", packed, "--data", "digits", "--image", "a.png", status=2) == how
    assert refusal("infer", packed, "--data", "mnist", status=2) == (
        "--data: expected one of cifar10, cifar100, digits, folder:PATH, imagenet:PATH, digits-graph, cora, citeseer, pubmed, ogbn-arxiv, graph:PATH, found mnist; choose one of them"
    )


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (["--split", "test"], "split"),
        (["--limit", 1], "limit"),
        (["--data-dir", "there"], "data-dir"),
        (["--predictions", "out.csv"], "predictions"),
        (["--force"], "force"),
    ],
)
def test_options_that_say_nothing_about_image_files(option: list[object], name: str, packed: Path) -> None:
    assert refusal("infer", packed, "--image", "a.png", *option, status=2) == (
        f"--{name} goes with --data; leave it out with image files"
    )


def test_a_data_folder_in_the_environment_does_not_stand_in_the_way(packed: Path, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    words = ["infer", str(packed), "--image", str(tmp_path / "a.png"), "--batch-size", "1"]
    assert CliRunner().invoke(cli, words, env={"SLTPACK_DATA_DIR": "there"}).exit_code == 0


@pytest.fixture
def pets(tmp_path: Path) -> str:
    """A data set of two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8)).save(tmp_path / "pets" / name / f"{number}.png")
    return f"folder:{tmp_path / 'pets'}"


def test_a_name_that_is_too_long(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path = tmp_path / ("a" * 300)
    assert refusal("pack", run[0] / BEST, "-o", path, status=1) == (
        f"{path}: expected a file or folder that can be used, found file name too long; "
        "check its name, its permissions and the free space"
    )


def test_a_folder_in_use_is_told_before_data_are_read(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    wanted = ("--data", "cifar10", "--data-dir", tmp_path / "none")
    assert refusal("search", "--model", "conv2", *wanted, "-o", run[0], status=2) == (
        f"{run[0]}: expected a folder without a run, found one with checkpoints; go on with --resume, or choose another "
        "folder"
    )


def test_a_data_set_that_is_not_known() -> None:
    assert refusal("infer", "conv6-cifar10", "--data", "Cora", status=2).startswith("--data: expected one of cifar10, ")


def test_images_of_another_shape(packed: Path, pets: str) -> None:
    data = pets
    assert refusal("infer", packed, "--data", data, status=1) == (
        f"{data}: expected images of shape [1, 8, 8] (channels, height, width), found images of shape [3, 8, 8] (channels, height, width); choose the data set that "
        "the ticket was searched on"
    )


def test_another_number_of_classes(pets: str, tmp_path: Path) -> None:
    spec = models.spec("conv2", 0.1, 3, (3, 8, 8))
    source = make_source(spec, models.shapes(spec), "skc", "layer", Seeds(1, 2), Ratios("epl", 0.5, 0.5))
    path = tmp_path / "three.slt"
    save(Ticket.create(source, [np.zeros(layer.searched, bool) for layer in source.layers], {}, {}), path)
    assert refusal("infer", path, "--data", pets, status=1) == (
        f"{pets}: expected 3 classes, found 2; choose the data set that the ticket was searched on"
    )


def test_data_that_is_missing(packed: Path, tmp_path: Path) -> None:
    assert refusal("infer", packed, "--data", "cifar10", "--data-dir", tmp_path, status=1) == (
        f"{tmp_path}: expected a folder cifar-10-batches-bin or cifar-10-batches-py, found neither; unpack the official "
        "archive there (https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz), or leave --data-dir out"
    )
    assert refusal("infer", packed, "--data", "folder:no_such_folder", status=1) == (
        "no_such_folder: expected a folder that can be read, found no such file or directory; check its name and permissions"
    )


def test_an_image_that_cannot_be_read(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no image")
    assert refusal("infer", packed, "--image", path, status=1) == (
        f"{path}: expected an image that Pillow can read, found another file; convert it, or remove it from the folder"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--model", "vgg"),
            "model vgg: expected conv2, conv4, conv6, conv8, resnet18, resnet34, resnet50, imagenet-resnet18, imagenet-resnet34, imagenet-resnet50, gin or package.module:builder, found 'vgg'; choose one of these",
        ),
        (
            ("--sparsity", 0.9, "--prune", 0.5, "--lock", 0.2),
            "--sparsity: expected 0.5..0.8, which these pruning and locking ratios can reach, found 0.9; choose another "
            "sparsity, or freeze fewer weights",
        ),
        (("--freeze", 1.5), "--freeze: expected a share in 0..1, found 1.5; choose another"),
        (
            ("--freeze", 0.5, "--lock", 0.1),
            "--freeze: expected either --freeze, or --prune and --lock, found both; leave one of them out",
        ),
        (
            ("--prune", 0.7, "--lock", 0.7),
            "the freezing ratio: expected pruning and locking ratios of at most 1 together, found 0.7 + 0.7; lower one of them",
        ),
        (("--prune", -0.1), "--prune: expected a share in 0..1, found -0.1; choose another"),
        (("--width", 0), "Invalid value for '--width': 0.0 is not in the range 0<x<=1024."),
        (("--width", 2000), "Invalid value for '--width': 2000.0 is not in the range 0<x<=1024."),
        (
            ("--width", "nan"),
            "--width: expected a number above 0 and up to 1024, found nan; choose another",
        ),
        (("--learning-rate", "inf"), "--learning-rate: expected a finite number above 0, found inf; choose another"),
        (
            ("--prune", 1),
            "--sparsity: expected 1, which alone these pruning and locking ratios can reach, found 0.5; choose another "
            "sparsity, or freeze fewer weights",
        ),
        *(
            (
                ("--model", name),
                f"--model: expected package.module:function, found '{name}'; name a module and a function in it",
            )
            for name in ("mine:", ":net", ":")
        ),
    ],
)
def test_wrong_calls_of_search(options: tuple[object, ...], message: str, tmp_path: Path) -> None:
    words = ("search", "--model", "conv2", "--data", "digits", "-o", tmp_path / "run", *options)
    assert refusal(*words, status=2) == message
    assert not (tmp_path / "run").exists()


def test_nothing_of_a_strangers_text_reaches_the_terminal(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    evil = replace(
        run[1].ticket(), about={"data": "digits", "note": "\x1b]0;title\x07 \x9b31m", "classes": '["\x1b[2J"]'}
    )
    save(evil, tmp_path / "evil.slt")
    shown = CliRunner().invoke(cli, ["info", str(tmp_path / "evil.slt")]).stdout
    assert r"note \x1b]0;title\x07 \x9b31m" in shown
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
    path = tmp_path / "a\x1b[31m\nb.slt"
    shown = str(tmp_path / "a\\x1b[31m\\nb.slt")
    assert refusal("info", path, status=2) == (
        f"{shown}: expected a .slt file, found no such file or directory; check the name"
    )


def test_nothing_is_written_over_what_it_is_made_from(
    run: tuple[Path, Checkpoint], packed: Path, tmp_path: Path
) -> None:
    checkpoint, ticket = tmp_path / "c.pt", tmp_path / "t.slt"
    checkpoint.write_bytes((run[0] / BEST).read_bytes())
    ticket.write_bytes(packed.read_bytes())
    for words, path in (
        (("pack", checkpoint, "-o", checkpoint), checkpoint),
        (("unpack", ticket, "-o", ticket), ticket),
        (("infer", ticket, "--data", "digits", "--predictions", ticket), ticket),
    ):
        assert refusal(*words, "--force", status=2) == (
            f"{path}: expected another file than the one that is read, found the same; choose another name"
        )
    assert checkpoint.read_bytes() == (run[0] / BEST).read_bytes()
    assert ticket.read_bytes() == packed.read_bytes()


def test_an_empty_name() -> None:
    assert refusal("search", "--model", "conv2", "--data", "digits", "-o", "", status=2) == (
        "Invalid value for '-o' / '--output': a name is missing"
    )


def test_a_closed_standard_output(packed: Path) -> None:
    code = "import sys; sys.stdout = None; sys.argv[0] = 'sltpack'; from sltpack_cli.main import cli; cli()"
    done = subprocess.run([sys.executable, "-c", code, "info", packed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
