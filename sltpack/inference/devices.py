"""Where torch does its work."""

from __future__ import annotations

import torch

from ..errors import RequestError


def choose_device(name: str, sparse: bool = False) -> torch.device:
    """Return the device of a name.

    Args:
        name: "cpu", "cuda", "mps", or "auto" for the fastest that is there.
        sparse: whether it has to know sparse matrices, as graphs need, which "mps" does not.

    Returns:
        The device.

    Raises:
        RequestError: there is no such device here, or no such name.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available() and not sparse, "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    if not present.get(name, False):
        raise RequestError(
            f"--device {name}",
            expected=("a device of this machine for graphs: " if sparse else "a device of this machine: ")
            + ", ".join(kind for kind, there in present.items() if there),
            found=name,
            remedy="choose one of these or auto",
        )
    return torch.device(name)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 faster than float32.

    Args:
        device: the device.

    Returns:
        True for GPUs of Nvidia from Ampere on, and for processors with AVX-512 or AMX instructions for bfloat16, on
        which a step takes half of the time; where it is not known, False.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
