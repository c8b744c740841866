"""Pictures in files: opening one and decoding it to plain grey or RGB, whatever may be wrong with it.

What a picture is decoded to is what a viewer shows: turned as its metadata say, and on white where it is transparent.
"""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ...errors import DataError, SltpackError, one_line, reason
from ...files import open_plain
from ...limits import MEMORY
from .notes import DEEP, TRANSPARENT, Notes

MODES = {1: "L", 3: "RGB"}
"""Pillow's names for numbers of channels."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits that the values of a 16-bit picture are taken to have: the fewest of these that hold its largest value."""
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Of a pixel in Pillow's memory; in all other modes it takes 4."""
_COPIES = {"BMP": 1, "JPEG": 1, "PNG": 1, "PPM": 1, "JPEG2000": 4}
_MOST_COPIES = 3
"""How often the pixels are in memory while a picture is decoded: once where that goes row by row. Of other formats, and
of a progressive JPEG, at most three times, as was measured with pictures of 36 megapixels."""
_STRIP = 1 << 20
"""Pixels that are converted at a time."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation of Exif (CIPA DC-008, tag 274)."""
_SIDEWAYS = (5, 6, 7, 8)
_LOCK = threading.Lock()


@contextmanager
def opened(path: Path, limit: int = MEMORY.picture) -> Iterator[Image.Image]:
    """Open a picture, and report whatever Pillow raises until it is closed as a fault of the file.

    Args:
        path: the file.
        limit: the most bytes of memory that decoding it may take.

    Yields:
        The picture, not yet decoded.

    Raises:
        DataError: there is no such file, it is no picture that can be decoded, or it would take too much memory.
    """
    try:
        stream = open_plain(path)
    except (OSError, ValueError) as error:
        missing = not isinstance(error, OSError) or not os.path.exists(path) or os.path.isdir(path)
        found = "no file of that name" if missing else reason(error)  # type: ignore[arg-type]
        raise DataError(path, expected="an image file", found=found, remedy="check the name") from error
    try:
        with warnings.catch_warnings(), stream:
            warnings.simplefilter("ignore")  # of odd metadata
            with _opened_header(stream) as image:
                _require_kind(path, image)
                _require_memory(path, image, limit)
                yield image
    except SltpackError:
        raise
    except UnidentifiedImageError as error:
        raise _no_image(path, "another file") from error
    except Exception as error:  # a damaged image may raise nearly anything
        raise _no_image(path, f"{type(error).__name__}: {error}") from error


def format_of(path: Path) -> str | None:
    """Return Pillow's name of a file's format, by its first bytes; None where it is no picture."""
    try:
        with warnings.catch_warnings(), open_plain(path) as stream:
            warnings.simplefilter("ignore")
            with _opened_header(stream) as image:
                return image.format
    except Exception:  # a file of any other kind may raise nearly anything
        return None


def plain(picture: Image.Image, channels: int, notes: Notes | None = None, file: object = "") -> Image.Image:
    """Decode a picture as a viewer shows it, to grey or RGB of 8 bits.

    It is turned as its Exif orientation says, and composed on white where it is transparent. Of 16-bit grey values the
    upper 8 bits are kept, of as many bits as the largest value takes (`DEPTHS`), since 12-bit cameras write 12-bit
    values.

    Args:
        picture: in any mode but "F".
        channels: 1 or 3.
        notes: where conversions are counted.
        file: its name in the notes.

    Returns:
        The picture in mode "L" or "RGB".
    """
    _decode(picture)
    mode = MODES[channels]
    deep = picture.mode.startswith("I")
    turn = _TURNS.get(_orientation(picture))
    shown, transparent = picture, False
    if deep or picture.mode != mode or picture.has_transparency_data:
        shown = Image.new(mode, picture.size)
        shift = _depth(picture) - 8 if deep else 0
        for top, strip in _strips(picture):
            if deep:
                part = Image.fromarray(np.clip(np.asarray(strip) >> shift, 0, 255).astype(np.uint8))
            elif strip.has_transparency_data:
                layer = strip.convert("RGBA")
                lowest, _ = layer.getchannel("A").getextrema()
                transparent = transparent or lowest < 255  # type: ignore[operator]
                part = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            else:
                part = strip
            shown.paste(part.convert(mode), (0, top))
    if notes is not None and transparent:
        notes.add(TRANSPARENT, file)
    if notes is not None and (deep or picture.info.get(_DEEP_COLOURS)):
        notes.add(DEEP, file)
    return shown if turn is None else shown.transpose(turn)


def shown_size(picture: Image.Image) -> tuple[int, int]:
    """Return the width and height of a picture as it is shown, turned as its metadata say.

    A JPEG is not decoded for it, so that it can still be decoded at a part of its size.
    """
    if picture.format not in ("JPEG", "MPO"):
        _decode(picture)  # metadata may stand behind the pixels
    width, height = picture.size
    return (height, width) if _orientation(picture) in _SIDEWAYS else (width, height)


_DEEP_COLOURS = "sltpack: 16 bits a channel"


@contextmanager
def _opened_header(stream: object) -> Iterator[Image.Image]:
    """Open a picture without Pillow's own limit on pixels, which nothing but a global variable can raise."""
    with _LOCK:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(stream)  # type: ignore[arg-type]
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        if any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())) and not image.mode.startswith("I"):
            image.info[_DEEP_COLOURS] = True
        yield image


def _decode(picture: Image.Image) -> None:
    """Decode a picture; what libtiff prints to standard error meanwhile becomes a part of the error, if any."""
    if not any(tile[0] == "libtiff" for tile in getattr(picture, "tile", ())):
        picture.load()
        return
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        picture.load()
        return
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            picture.load()
        except OSError as error:
            heard.seek(0)
            words = one_line(heard.read(200).decode("utf-8", "replace").strip())
            raise OSError(f"{words} ({error})" if words else str(error)) from error
        finally:
            os.dup2(before, 2)
            os.close(before)


def _orientation(picture: Image.Image) -> int:
    """Return the orientation in a picture's metadata; 1 where there is none. Pillow obeys that of a TIFF itself."""
    if picture.format == "TIFF":
        return 1
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata may raise nearly anything, and the picture is shown without them
        return 1
    return found if isinstance(found, int) else 1


def _depth(picture: Image.Image) -> int:
    if picture.format == "PPM":  # whose values Pillow scales, since the file says how large they may be
        return 16
    largest = max(int(np.asarray(strip).max(initial=0)) for _, strip in _strips(picture))
    return next((bits for bits in DEPTHS if largest < 1 << bits), 16)


def _strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield a picture in strips of few pixels, each behind the row in which it begins."""
    width, height = picture.size
    rows = max(1, _STRIP // max(width, 1))
    if rows >= height:
        yield 0, picture
        return
    for top in range(0, height, rows):
        yield top, picture.crop((0, top, width, min(top + rows, height)))


def _require_kind(path: Path, image: Image.Image) -> None:
    if image.format == "EPS":
        raise _no_image(path, "EPS, a program that Pillow has Ghostscript run")
    # "I" is 16 bits deep in these formats, and of any depth in others.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise _no_image(path, "pixels of more than 16 bits, without a known range")


def _require_memory(path: Path, image: Image.Image, limit: int) -> None:
    """Check the memory that decoding takes: for the picture, for the decoder, and for what is made of it."""
    width, height = image.size
    own = _BYTES.get(image.mode, 4)
    copies = _COPIES.get(image.format or "", _MOST_COPIES)
    if image.info.get("progressive"):
        copies = _MOST_COPIES
    needed = width * height * (own * copies + 4)
    if needed > limit:
        raise DataError(
            path,
            expected=f"a picture that takes at most {limit} bytes of memory to decode",
            found=f"{width} x {height} pixels, which take {needed}",
            remedy=f"scale it down, or allow as much (--max-memory {needed})",
        )


def _no_image(path: Path, found: str) -> DataError:
    return DataError(
        path, expected="an image that Pillow can read", found=found, remedy="convert it, or remove it from the folder"
    )
