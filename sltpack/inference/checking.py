"""The proof that a ticket's network runs as it did when it was made."""

from __future__ import annotations

from pathlib import Path

from ..errors import FormatError
from ..format.records import MAX_WEIGHTS
from .network import open_network


def check_run(file: str | Path, builder: str | None = None, max_weights: int = MAX_WEIGHTS) -> int:
    """Build a ticket's network and run it on the generated inputs.

    Args:
        file: a `.slt` file, the name of a ticket in the package, or what a search or weight training kept.
        builder: "package.module:function" where the model is not one of sltpack's.
        max_weights: the most weights that the file may ask for.

    Returns:
        How many of the 32 inputs are in the class that the file records, at least 30.

    Raises:
        RequestError: the model cannot be built.
        MismatchError: fewer are alike, so the model's code has changed since.
        FormatError: the file records no classes.
    """
    alike = open_network(file, builder, max_weights).check_outputs()
    if alike is None:
        raise FormatError(
            f"{file}: outputs",
            expected="the classes that the network predicts on the generated inputs",
            found="none",
            remedy="pack the ticket again, with --model where the model is your own",
        )
    return alike
