"""Event files for TensorBoard, where they are asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import OutputError, RequestError, reason


def require_tensorboard() -> None:
    """Make sure that event files can be written.

    Raises:
        RequestError: TensorBoard is not installed.
    """
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise RequestError(
            "--tensorboard",
            expected="the package tensorboard",
            found="none",
            remedy="install it: pip install 'sltpack[tensorboard]'",
        ) from error


_PREFIX = "events.out.tfevents."


class Events:
    """The event file of a run, or none: what is measured after each epoch, as scalars over the epochs.

    Its records are written here and not by TensorBoard's own writer, whose thread tells a full disk by a traceback.

    Args:
        folder: where the file goes; None for no file.
        history: what the epochs before measured: it is written again, in place of what earlier files say, which a kill
            may have left without the last epoch.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, folder: Path | None, history: Sequence[Mapping[str, float]]) -> None:
        self._path: Path | None = None
        if folder is None:
            return
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._path = folder / _next_name([path.name for path in folder.glob(f"{_PREFIX}*")], time.time_ns())
        _append(self._path, file_version="brain.Event:2")
        _append(self._path, step=1, session_log=SessionLog(status=SessionLog.START))  # voids what earlier files say
        for measured in history:
            self.add(measured)

    def add(self, measured: Mapping[str, float]) -> None:
        """Write what was measured after an epoch.

        Args:
            measured: numbers by name, "epoch" among them.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._path is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in measured.items() if name != "epoch"]
        _append(self._path, step=int(measured["epoch"]), summary=Summary(value=values))


def _next_name(names: Sequence[str], now: int) -> str:
    """Return a name for an event file that comes after others.

    TensorBoard reads the files of a folder in the order of their names, and drops what comes in an earlier one. So
    the name has the time in it, but where the clock was set back, a later time than it is.

    Args:
        names: of the files that are there.
        now: the time, nanoseconds.
    """
    seconds = now // 10**9
    name = f"{_PREFIX}{seconds:010d}.{now % 10**9:09d}.sltpack"
    last = max(names, default="")
    if name > last:
        return name
    found = re.match(r"\d{10}", last.removeprefix(_PREFIX))
    after = f"{_PREFIX}{int(found[0]) + 1:010d}.{0:09d}.sltpack" if found else ""
    return after if after > last else f"{last}.sltpack"  # of a name that is no time, the end


def _append(path: Path, **content: Any) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    try:
        with open(path, "ab") as stream:
            RecordWriter(stream).write(Event(wall_time=time.time(), **content).SerializeToString())
    except OSError as error:
        raise OutputError(
            path,
            expected="a place that can be written",
            found=reason(error),
            remedy="make room, or leave --tensorboard out; --resume goes on",
        ) from error
