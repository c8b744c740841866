"""Event files for TensorBoard, where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RequestError


def require_tensorboard() -> None:
    """Makes sure that event files can be written.

    Raises:
        RequestError: TensorBoard is not installed.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise RequestError(
            "--tensorboard",
            expected="the package tensorboard",
            found="none",
            remedy="install it: pip install 'sltpack[tensorboard]'",
        ) from error


class Events:
    """The event file of a run, or none: what is measured after each epoch, as scalars over the epochs.

    Args:
        folder: where the file goes; None for no file.
        history: what the epochs before measured: it is written anew, in place of what earlier files say, which a kill
            may have left without the last epoch.
    """

    def __init__(self, folder: Path | None, history: Sequence[Mapping[str, float]]) -> None:
        self._writer: Any = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=1)
        for measured in history:
            self.add(measured)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, measured: Mapping[str, float]) -> None:
        """Writes what was measured after an epoch.

        Args:
            measured: numbers by name, "epoch" among them.
        """
        if self._writer is None:
            return
        for name, value in measured.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(measured["epoch"]))
        self._writer.flush()
