"""Archives and files from the web into the user's cache folder: told before, checked by their sums, once."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ...errors import DataError
from ...files import home_expanded
from ...progress import Bar, bar

_CHUNK = 1 << 16
_TIMEOUT = 60
"""Seconds without an answer."""


@dataclass(frozen=True)
class Archive:
    """A `.tar.gz` or `.zip` on the web.

    Attributes:
        url: its address.
        digest: "md5:..." or "sha256:...".
        size: in bytes, told before the download.
    """

    url: str
    digest: str
    size: int


@dataclass(frozen=True)
class Files:
    """Single files on the web, in one place.

    Attributes:
        url: the address before their names.
        digests: "md5:..." or "sha256:..." of each, by name.
        size: of all together in bytes, nearly; told before the download.
    """

    url: str
    digests: Mapping[str, str]
    size: int


def cache_folder() -> Path:
    """Return the folder where data sets are kept: `SLTPACK_CACHE`, or else the user's cache folder.

    Raises:
        RequestError: a path begins with `~` where there is no home folder.
    """
    chosen = os.environ.get("SLTPACK_CACHE")
    if not chosen:
        import pooch  # type: ignore[import-untyped]

        try:
            chosen = pooch.os_cache("sltpack")
        except RuntimeError:
            chosen = "~"  # where there is no home folder, which is told below
    return home_expanded(chosen, "SLTPACK_CACHE")


def fetch(archive: Archive, folder: Path, name: str, members: tuple[str, ...]) -> None:
    """Download an archive and unpacks the wanted files of it; a failure leaves nothing behind.

    Args:
        archive: the archive.
        folder: the cache folder; made where it is missing.
        name: the folder in the archive that holds the files, and the one that is made in the cache folder.
        members: the files; nothing else is unpacked.

    Raises:
        DataError: the folder cannot be written, the download failed, its sum is not the expected one, or a file is
            missing from it.
    """
    with _making(folder, name) as unpacked, _telling(folder, name, archive.size) as running:
        packed = unpacked.parent / "archive"
        _download(archive.url, packed, running, f"an archive of {archive.size} bytes")
        _require_digest(archive.url, packed, archive.digest, "an archive")
        _unpack(archive, packed, unpacked, members)


def fetch_files(files: Files, folder: Path, name: str) -> None:
    """Download files into a folder; a failure leaves nothing behind.

    Args:
        files: the files.
        folder: the cache folder; made where it is missing.
        name: the folder that is made in it.

    Raises:
        DataError: the folder cannot be written, a download failed, or its sum is not the expected one.
    """
    with _making(folder, name) as made, _telling(folder, name, files.size) as running:
        done = 0
        for file, digest in files.digests.items():
            _download(files.url + file, made / file, running, "a file", done)
            _require_digest(files.url + file, made / file, digest, "a file")
            done += (made / file).stat().st_size


@contextmanager
def _making(folder: Path, name: str) -> Iterator[Path]:
    """Return an empty folder of another name, which gets its own where no error comes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as temporary:
            made = Path(temporary) / name
            made.mkdir()
            yield made
            _give_name(made, folder / name)
    except OSError as error:
        raise DataError(
            folder,
            expected="a cache folder that can be written",
            found=(error.strerror or str(error)).lower(),
            remedy="check its permissions and the free space, or choose another in SLTPACK_CACHE",
        ) from error


def _telling(folder: Path, name: str, size: int) -> AbstractContextManager[Bar]:
    return bar(f"{name}, {size / 1e6:.0f} MB, to {folder}", size)


def _download(url: str, path: Path, running: Bar, what: str, done: int = 0) -> None:
    import pooch

    progress = _PoochProgress(running, done)
    download = pooch.HTTPDownloader(progressbar=progress, chunk_size=_CHUNK, timeout=_TIMEOUT)
    try:
        download(url, path, None)
    except (OSError, ValueError) as error:
        response = getattr(error, "response", None)
        if response is not None:
            response.close()  # pooch leaves it open
        raise _failed(url, what, _reason(error)) from error


def _require_digest(url: str, path: Path, digest: str, what: str) -> None:
    import pooch

    algorithm, _, expected = digest.partition(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    if found != expected:
        raise _failed(url, f"{what} with the sum {digest}", f"{algorithm}:{found}")


def _unpack(archive: Archive, path: Path, unpacked: Path, members: tuple[str, ...]) -> None:
    kind = ".zip" if archive.url.endswith(".zip") else ".tar.gz"
    opener = _zip_members if kind == ".zip" else _tar_members
    try:
        with opener(path) as opened:
            for member in members:
                # By its exact name and into a name of ours, so that no path in the archive can lead elsewhere.
                source = opened(f"{unpacked.name}/{member}")
                if source is None:
                    raise KeyError(member)
                (unpacked / member).parent.mkdir(parents=True, exist_ok=True)
                with source, open(unpacked / member, "wb") as out:
                    shutil.copyfileobj(source, out)
    except KeyError as error:
        raise _failed(archive.url, f"an archive with {unpacked.name}/{member}", "none of that name") from error
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _failed(archive.url, f"a whole {kind} archive", str(error)) from error


@contextmanager
def _tar_members(path: Path) -> Iterator[Callable[[str], IO[bytes] | None]]:
    with tarfile.open(path, "r:gz") as tar:
        yield tar.extractfile


@contextmanager
def _zip_members(path: Path) -> Iterator[Callable[[str], IO[bytes] | None]]:
    with zipfile.ZipFile(path) as archive:
        yield archive.open


def _give_name(unpacked: Path, target: Path) -> None:
    try:
        os.replace(unpacked, target)
    except OSError:
        # Another process that downloaded the same was faster.
        if not target.is_dir():
            raise


def _failed(url: str, expected: str, found: str) -> DataError:
    return DataError(
        url,
        expected=expected,
        found=found,
        remedy="check the network and the disk, or get the files by hand and pass their folder with --data-dir",
    )


def _reason(error: BaseException) -> str:
    """Return the first cause of a failed request, which the layers above wrap in their addresses and names."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


@dataclass
class _PoochProgress:
    """A bar in the form that pooch asks for: it counts whole chunks, and at the end starts again to fill the bar."""

    bar: Bar
    done: int = 0
    total: int = 0

    def update(self, amount: int) -> None:
        self.bar.advance(amount)

    def reset(self) -> None:
        self.bar.restart(self.done)

    def close(self) -> None:
        """Do nothing: the bar belongs to its context."""
