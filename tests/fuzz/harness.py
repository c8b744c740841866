"""Feeds the readers with what a fuzzer makes up; see README.md beside this file."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1]


def container_target() -> Callable[[bytes], None]:
    """The reader of `.slt` files; every other input passes for one whose digest fits."""
    from sltpack.errors import FormatError
    from sltpack.format import container

    begin, end = container.DIGEST_AT, container.DIGEST_AT + container.DIGEST_BYTES

    def one(data: bytes) -> None:
        if len(data) % 2 and len(data) >= end:
            data = data[:begin] + container.file_digest(data).encode() + data[end:]
        try:
            container.decode(data, "fuzz", 1 << 20)
        except FormatError as error:
            assert len(str(error)) <= 1000

    return one


def pickles_target() -> Callable[[bytes], None]:
    """The gate: bare pickles of data sets, and the pickles, archives and old containers of checkpoints."""
    from sltpack.errors import shown
    from sltpack.pickles import checkpoint
    from sltpack.pickles.admitted import ADMITTED, storage
    from sltpack.pickles.faults import PickleFault
    from sltpack.pickles.machine import Machine

    def one(data: bytes) -> None:
        with contextlib.suppress(PickleFault):
            shown(Machine(data, ADMITTED, persistent=storage).run()[0])
        with contextlib.suppress(PickleFault):
            shown(Machine(data, ADMITTED, old_text_is_bytes=True).run()[0])
        if data[:2] == checkpoint.ZIP or data[: len(checkpoint.OLD)] == checkpoint.OLD:
            with contextlib.suppress(PickleFault):
                shown(checkpoint.read(io.BytesIO(data)).value)

    return one


def rans_target() -> Callable[[bytes], None]:
    """The entropy decoder of supermasks, whatever the bytes."""
    from sltpack.errors import FormatError
    from sltpack.format.container import decode
    from sltpack.supermask.rans import Rans

    layers = decode((TESTS / "golden" / "coded.slt").read_bytes()).header.source.bits_of("kept")

    def one(data: bytes) -> None:
        with contextlib.suppress(FormatError):
            Rans().decode(data, layers, "fuzz")

    return one


def container_seeds() -> list[bytes]:
    """The golden files."""
    return [path.read_bytes() for path in sorted((TESTS / "golden").glob("*.slt"))]


def pickles_seeds() -> list[bytes]:
    """Pickles and archives as real files have them."""
    real = runpy.run_path(str(TESTS / "real_pickles.py"))
    return [*real["pickles"]().values(), *real["archives"]().values()]


def rans_seeds() -> list[bytes]:
    """The golden supermasks."""
    from sltpack.format.container import decode

    return [decode((TESTS / "golden" / "coded.slt").read_bytes()).kept]


TARGETS = {
    "container": (container_target, container_seeds),
    "pickles": (pickles_target, pickles_seeds),
    "rans": (rans_target, rans_seeds),
}


def main(name: str, seconds: str, corpus: str | None = None, *options: str) -> None:
    """Fuzz one target until the time is over or something breaks."""
    import atheris

    make, make_seeds = TARGETS[name]
    with atheris.instrument_imports(include=["sltpack.pickles", "sltpack.format", "sltpack.supermask"]):
        one, seeds = make(), make_seeds()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(corpus or made)
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number}").write_bytes(seed)
        limits = ["-max_len=8192", "-timeout=10", "-rss_limit_mb=2048", f"-max_total_time={seconds}"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", *options, str(folder)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
