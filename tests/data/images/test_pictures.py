"""Pictures are decoded as viewers show them, within a limit on memory that holds before they are."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from sltpack.data.images.crops import cut
from sltpack.data.images.folders import read_image
from sltpack.data.images.image_input import CENTER_CROP
from sltpack.data.images.notes import DEEP, TRANSPARENT, Notes
from sltpack.data.images.pictures import format_of, opened, plain, shown_size
from sltpack.errors import DataError
from sltpack.limits import Memory


def picture(height: int = 20, width: int = 30, channels: int = 3) -> Image.Image:
    """Smooth, so that a JPEG of it has little noise."""
    small = np.random.default_rng(0).integers(0, 256, (3, 4, channels), dtype=np.uint8)
    return Image.fromarray(small.squeeze()).resize((width, height), Image.Resampling.BICUBIC)


def png(width: int, height: int, bits: int, colours: int, rows: bytes) -> bytes:
    """A PNG by hand, since Pillow writes no 16-bit colours, and no small file of a large picture."""
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def read(path: Path, channels: int = 3, notes: Notes | None = None) -> np.ndarray[Any, Any]:
    with opened(path) as image:
        return np.asarray(plain(image, channels, notes, path.name))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_in_the_metadata_is_obeyed(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    picture().save(path, exif=exif)
    with Image.open(path) as image:
        shown = ImageOps.exif_transpose(image).convert("RGB")
    np.testing.assert_array_equal(read(path), np.asarray(shown))
    with opened(path) as image:
        assert shown_size(image) == shown.size
    # ImageNet's crop is the same as that of a picture that was stored as it is shown.
    shown.save(tmp_path / "shown.png")
    wanted = read_image(tmp_path / "shown.png", (3, 8, 8), CENTER_CROP)
    np.testing.assert_array_equal(read_image(path, (3, 8, 8), CENTER_CROP), wanted)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_large_turned_jpeg_is_decoded_coarsely_and_turned(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[274] = orientation
    picture(200, 304).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        shown = ImageOps.exif_transpose(image)
    width, height = shown.size
    box = (8.0, 16.0, width - 24.0, height - 8.0)
    wanted = np.asarray(shown.resize((8, 8), Image.Resampling.BILINEAR, box=box)).astype(int)
    with opened(path) as image:
        found = cut(image, box, 8).astype(int)
    assert np.abs(found - wanted).max() <= 4


def test_damaged_metadata_are_no_damaged_picture(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read(tmp_path / "a.jpg").shape == (20, 30, 3)


def test_transparency_is_composed_on_white(tmp_path: Path) -> None:
    """Two pictures that look the same are the same, whatever colour hides where nothing is seen."""
    notes = Notes()
    found = []
    for hidden in (0, 200):
        image = np.full((4, 4, 4), hidden, np.uint8)
        image[..., 3] = 0
        image[:2] = [10, 20, 30, 255]
        image[0, 0, 3] = 128
        Image.fromarray(image).save(tmp_path / f"{hidden}.png")
        found.append(read(tmp_path / f"{hidden}.png", notes=notes))
    np.testing.assert_array_equal(*found)
    assert (found[0][2:] == 255).all()
    assert found[0][1, 1].tolist() == [10, 20, 30]
    assert found[0][0, 0].tolist() == pytest.approx([132, 137, 142], abs=1)
    assert read(tmp_path / "0.png", channels=1)[3, 3] == 255
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([9, 9, 9, 50, 60, 70])
    palette.save(tmp_path / "p.png", transparency=0)
    assert read(tmp_path / "p.png", notes=notes).tolist() == [[[255] * 3, [50, 60, 70]]]
    picture().convert("RGBA").save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read(tmp_path / "opaque.png", notes=notes), np.asarray(picture()))
    assert notes.counts[TRANSPARENT] == 3  # and not the opaque one
    assert notes.lines("x") == ("x: 3 pictures with transparency put on white",)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_pictures_are_as_bright_as_their_values_are_deep(bits: int, suffix: str, tmp_path: Path) -> None:
    grey = np.asarray(picture(channels=1)).astype(np.uint16)
    grey[0, 0] = 255
    notes = Notes()
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(grey << (bits - 8)).save(path)
    np.testing.assert_array_equal(read(path, 1, notes), grey)
    assert notes.counts[DEEP] == 1


def test_colours_of_16_bits_are_counted(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + b"\x40\x00\x80\x00\xc0\x00" * 4 for _ in range(4))
    (tmp_path / "a.png").write_bytes(png(4, 4, 16, 2, rows))
    notes = Notes()
    assert read(tmp_path / "a.png", notes=notes)[0, 0].tolist() == [0x40, 0x80, 0xC0]
    assert notes.counts[DEEP] == 1


def test_strips_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(40, 50)
    image.putalpha(picture(40, 50, 1))
    image.save(tmp_path / "a.png")
    Image.fromarray(np.asarray(picture(40, 50, 1)).astype(np.uint16) << 4).save(tmp_path / "b.png")
    whole = [read(tmp_path / name) for name in ("a.png", "b.png")]
    monkeypatch.setattr("sltpack.data.images.pictures._STRIP", 150)
    for name, pixels in zip(("a.png", "b.png"), whole, strict=True):
        np.testing.assert_array_equal(read(tmp_path / name), pixels)


def test_a_picture_that_would_take_too_much_memory_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(40_000, 40_000, 1, 0, b""))
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "bomb.png", (3, 8, 8))
    needed = 40_000**2 * 5
    assert str(caught.value) == (
        f"{tmp_path / 'bomb.png'}: expected a picture that takes at most {1 << 30} bytes of memory to decode, found 40000 x "
        f"40000 pixels, which take {needed}; scale it down, or allow as much (--max-memory {needed})"
    )
    Image.new("1", (400, 400)).save(tmp_path / "small.png")
    with pytest.raises(DataError):
        read_image(tmp_path / "small.png", (3, 8, 8), limits=Memory(picture=400 * 400 * 5 - 1))
    read_image(tmp_path / "small.png", (3, 8, 8), limits=Memory(picture=400 * 400 * 5))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: expected an image file, found a pipe or device"):
        read(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"link\.png: expected an image file, found no file of that name"):
        read(tmp_path / "link.png")


def test_libtiff_prints_nothing_by_itself(tmp_path: Path) -> None:
    stream = io.BytesIO()
    picture(64, 64).save(stream, "TIFF", compression="tiff_lzw")
    damaged = bytearray(stream.getvalue())
    for index in range(200, 2000, 7):
        damaged[index % len(damaged)] ^= 0xFF
    (tmp_path / "a.tif").write_bytes(damaged)
    code = (
        "import sys; from pathlib import Path; from sltpack.data.images.folders import read_image\n"
        "try: read_image(Path('a.tif'), (3, 8, 8))\n"
        "except Exception as error: print(error)\n"
        "print('still heard', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "still heard\n"
    assert done.stdout.startswith("a.tif: expected an image that Pillow can read, found OSError: ")
    assert "tempfile.tif" in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_format_is_known_by_the_first_bytes(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "picture")
    (tmp_path / "b").write_text("no picture")
    assert format_of(tmp_path / "picture") == "PNG"
    assert format_of(tmp_path / "b") is None
    assert format_of(tmp_path / "none") is None
