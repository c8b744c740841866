"""`sltpack infer` on pictures by name and on folders of them, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from sltpack import load
from sltpack_cli.main import cli


def sltpack(*words: object, status: int = 0) -> Result:
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that differ in colour, a stray file, a transparent picture, and a ticket that tells them apart."""
    folder = tmp_path_factory.mktemp("infer")
    random = np.random.default_rng(0)
    for part in ("photos", "other/test"):
        for label, colour in enumerate(("blue", "red")):
            (folder / part / colour).mkdir(parents=True)
            for number in range(20):
                pixels = random.integers(0, 80, (8, 8, 3), np.uint8)
                pixels[..., 0 if label else 2] += 150
                Image.fromarray(pixels).save(folder / part / colour / f"{number}.png")
    (folder / "photos" / "red" / "notes.txt").write_text("about")
    Image.new("RGBA", (8, 8), (200, 0, 0, 200)).save(folder / "photos" / "red" / "clear.png")
    words = ["--model", "conv2", "--width", "0.1", "--data", f"folder:{folder / 'photos'}", "--epochs", "3"]
    said = sltpack("search", *words, "-o", folder / "run").stderr
    assert (
        f"{folder / 'photos'}: 1 file that is no picture skipped (red/notes.txt); 1 picture with transparency" in said
    )
    assert "batch size 16: " in said
    sltpack("pack", folder / "run" / "ckpt.pt", "-o", folder / "m.slt")
    return folder


def test_the_folders_name_is_recorded(folder: Path) -> None:
    assert load(folder / "m.slt").about["data"] == "folder:photos"
    assert "data folder:photos" in sltpack("info", folder / "m.slt").stdout


def test_pictures_folders_and_patterns(folder: Path) -> None:
    blue = folder / "photos" / "blue"
    few = sltpack("infer", folder / "m.slt", blue / "1.png", blue / "2.png").stdout
    assert few == sltpack("infer", folder / "m.slt", "--image", blue / "1.png", blue / "2.png").stdout
    assert [line.split(": ")[0] for line in few.splitlines()] == [str(blue / "1.png"), str(blue / "2.png")]
    assert few == sltpack("infer", folder / "m.slt", f"{blue}/[12].png").stdout
    whole = sltpack("infer", folder / "m.slt", folder / "photos", "--json")
    assert len(json.loads(whole.stdout)) == 41
    assert whole.stderr == (
        "images: 1 file that is no picture skipped (red/notes.txt); 1 picture with transparency put on white\n"
    )


def test_which_part_of_a_folder_is_used_is_said(folder: Path) -> None:
    photos = f"folder:{folder / 'photos'}"
    shown = sltpack("infer", folder / "m.slt", "--data", photos)
    assert f"{photos} (test): accuracy " in shown.stdout and " of 9\n" in shown.stdout
    assert (
        f"{photos}: has no parts: 9 of 41 pictures are used, those that a search on this folder keeps for testing; "
        "--split all takes all of them\n"
    ) in shown.stderr
    assert " of 41\n" in sltpack("infer", folder / "m.slt", "--data", photos, "--split", "all").stdout
    test = f"folder:{folder / 'other' / 'test'}"
    shown = sltpack("infer", folder / "m.slt", "--data", test)
    assert f"{test} (all): accuracy " in shown.stdout and " of 40\n" in shown.stdout
    assert shown.stderr == f"{test}: has no parts, and its own name is that of one: all 40 pictures are used\n"
    told = json.loads(sltpack("infer", folder / "m.slt", "--data", test, "--split", "test", "--json").stdout)
    assert (told["split"], told["images"]) == ("test", 8)


def test_memory_is_limited_before_it_is_taken(folder: Path) -> None:
    refused = sltpack("infer", folder / "m.slt", folder / "photos", "--max-memory", 1000, status=2)
    assert (
        "expected a network that takes at most 1000 bytes of memory for one image of shape [3, 8, 8]" in refused.stderr
    )
