"""Event files for TensorBoard, where they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError, RequestError, reason


def require_tensorboard() -> None:
    """Makes sure that event files can be written.

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


class Events:
    """The event file of a run, or none: what is measured after each epoch, as scalars over the epochs.

    Its records are written here and not by TensorBoard's own writer, whose thread tells a full disk by a traceback.

    Args:
        folder: where the file goes; None for no file.
        history: what the epochs before measured: it is written anew, in place of what earlier files say, which a kill
            may have left without the last epoch.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, folder: Path | None, history: Sequence[Mapping[str, float]]) -> None:
        self._stream: Any = None
        if folder is None:
            return
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        now = time.time_ns()  # TensorBoard reads the files of a folder in the order of their names
        self._path = folder / f"events.out.tfevents.{now // 10**9:010d}.{now % 10**9:09d}.sltpack"
        with self._telling():
            self._stream = open(self._path, "xb")
            self._records = RecordWriter(self._stream)
        self._write(file_version="brain.Event:2")
        self._write(step=1, session_log=SessionLog(status=SessionLog.START))  # what other files say from here is void
        for measured in history:
            self.add(measured)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            with self._telling():
                self._stream.close()

    def add(self, measured: Mapping[str, float]) -> None:
        """Writes what was measured after an epoch.

        Args:
            measured: numbers by name, "epoch" among them.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._stream is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in measured.items() if name != "epoch"]
        self._write(step=int(measured["epoch"]), summary=Summary(value=values))

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with self._telling():
            self._records.write(Event(wall_time=time.time(), **content).SerializeToString())
            self._stream.flush()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tells the system's error as one of the file."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                self._path,
                expected="a place that can be written",
                found=reason(error),
                remedy="make room, or leave --tensorboard out; --resume goes on",
            ) from error
