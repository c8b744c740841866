"""Where torch does its work."""

from __future__ import annotations

import torch

from .errors import RequestError


def choose_device(name: str) -> torch.device:
    """Gives the device of a name.

    Args:
        name: "cpu", "cuda", "mps", or "auto" for the fastest that is there.

    Returns:
        The device.

    Raises:
        RequestError: there is no such device here, or no such name.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    if not present.get(name, False):
        raise RequestError(
            f"--device {name}",
            expected="a device of this machine: " + ", ".join(kind for kind, there in present.items() if there),
            found=name,
            remedy="choose one of these or auto",
        )
    return torch.device(name)
