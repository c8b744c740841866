"""Archives from the web into the user's cache folder: told before, checked by their sum, once."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..progress import Bar, bar

_CHUNK = 1 << 16
_TIMEOUT = 60
"""Seconds without an answer."""


@dataclass(frozen=True)
class Archive:
    """A `.tar.gz` on the web.

    Attributes:
        url: its address.
        digest: "md5:..." or "sha256:...".
        size: in bytes, told before the download.
    """

    url: str
    digest: str
    size: int


def cache_folder() -> Path:
    """Gives the folder where data sets are kept: `SLTPACK_CACHE`, else the user's cache folder."""
    chosen = os.environ.get("SLTPACK_CACHE")
    if chosen:
        return Path(chosen)
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("sltpack"))


def fetch(archive: Archive, folder: Path, name: str, members: tuple[str, ...]) -> None:
    """Downloads an archive and unpacks the wanted files of it; a failure leaves nothing behind.

    Args:
        archive: the archive.
        folder: the cache folder; made where it is missing.
        name: the folder in the archive that holds the files, and the one that is made in the cache folder.
        members: the files; nothing else is unpacked.

    Raises:
        DataError: the folder cannot be written, the download failed, its sum is not the expected one, or a file is
            missing from it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as temporary:
            packed, unpacked = Path(temporary) / "archive.tar.gz", Path(temporary) / name
            _download(archive, packed, f"{name}, {archive.size / 1e6:.0f} MB, to {folder}")
            _require_digest(archive, packed)
            _unpack(archive, packed, unpacked, members)
            _give_name(unpacked, folder / name)
    except OSError as error:
        raise DataError(
            folder,
            expected="a cache folder that can be written",
            found=(error.strerror or str(error)).lower(),
            remedy="check its permissions and the free space, or choose another in SLTPACK_CACHE",
        ) from error


def _download(archive: Archive, path: Path, description: str) -> None:
    import pooch

    with bar(description, archive.size) as running:
        download = pooch.HTTPDownloader(progressbar=_PoochProgress(running), chunk_size=_CHUNK, timeout=_TIMEOUT)
        try:
            download(archive.url, path, None)
        except (OSError, ValueError) as error:
            response = getattr(error, "response", None)
            if response is not None:
                response.close()  # pooch leaves it open
            raise _failed(archive, f"an archive of {archive.size} bytes", _reason(error)) from error


def _require_digest(archive: Archive, path: Path) -> None:
    import pooch

    algorithm, _, expected = archive.digest.partition(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    if found != expected:
        raise _failed(archive, f"an archive with the sum {archive.digest}", f"{algorithm}:{found}")


def _unpack(archive: Archive, path: Path, unpacked: Path, members: tuple[str, ...]) -> None:
    unpacked.mkdir()
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in members:
                # By its exact name and into a name of ours, so that no path in the archive can lead elsewhere.
                source = tar.extractfile(f"{unpacked.name}/{member}")
                if source is None:
                    raise KeyError(member)
                with source, open(unpacked / member, "wb") as out:
                    shutil.copyfileobj(source, out)
    except KeyError as error:
        raise _failed(archive, f"an archive with {unpacked.name}/{member}", "none of that name") from error
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _failed(archive, "a whole .tar.gz archive", str(error)) from error


def _give_name(unpacked: Path, target: Path) -> None:
    try:
        os.replace(unpacked, target)
    except OSError:
        # Another process that downloaded the same was faster.
        if not target.is_dir():
            raise


def _failed(archive: Archive, expected: str, found: str) -> DataError:
    return DataError(
        archive.url,
        expected=expected,
        found=found,
        remedy="check the network and the disk, or unpack the archive by hand and pass its folder with --data-dir",
    )


def _reason(error: BaseException) -> str:
    """Gives the first cause of a failed request, which the layers above wrap in their addresses and names."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


@dataclass
class _PoochProgress:
    """A bar in the form that pooch asks for: it counts whole chunks, and at the end starts anew to fill the bar."""

    bar: Bar
    total: int = 0

    def update(self, amount: int) -> None:
        self.bar.advance(amount)

    def reset(self) -> None:
        self.bar.progress.reset(self.bar.task)

    def close(self) -> None:
        """Does nothing: the bar belongs to its context."""
