"""Reads files one by one, each in a process of its own with 2 GB of addresses and 10 s of time above what it has.

    python child.py CHECKPOINT.pt|BATCH...

It prints a JSON object: for each file, how its process ended, the last line that it printed, and the megabytes that it
took.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from sltpack.errors import SltpackError

MEMORY, SECONDS = 2 << 30, 10


def limited(read: Callable[[Path], object], path: Path) -> str:
    """Read a file under the limits; return the line that refuses it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        read(path)
    except SltpackError as error:
        return str(error)
    return "accepted"


def alone(read: Callable[[Path], object], path: Path) -> list[object]:
    """Read a file in a process of its own."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        status = 1
        try:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            line = limited(read, path)
            took = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
            os.write(into, json.dumps([line, took]).encode())
            status = 0
        except BaseException as error:
            os.write(into, json.dumps([f"{type(error).__name__}: {error}"[:500], 0]).encode())
        finally:
            os._exit(status)
    os.close(into)
    with open(out, "rb") as stream:
        told = stream.read()
    return [os.waitpid(child, 0)[1], *(json.loads(told) if told else ["", 0])]


def main(*paths: str) -> None:
    """Read all files and print what came of them."""
    from sltpack.checkpoints import reading
    from sltpack.data.storage import unpickling

    def read(path: Path) -> object:
        return reading.load_any(path) if path.suffix == ".pt" else unpickling.load(path)

    print(json.dumps({path: alone(read, Path(path)) for path in paths}))


if __name__ == "__main__":
    main(*sys.argv[1:])
