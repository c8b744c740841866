"""The target `js`: a reader of `.slt` files, with the forward pass of the built-in networks, as one ES module."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .targets import TicketFile

READER = ("sha256", "streams", "rans", "ticket", "weights", "network")
"""The modules of the reader, each after those that it imports."""
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.mjs";\n', re.MULTILINE)


def make(file: TicketFile) -> bytes:
    """Make the module; it reads any ticket.

    Args:
        file: the ticket; the same module comes out for each.

    Returns:
        JavaScript, UTF-8.
    """
    del file
    return joined(READER).encode()


def joined(names: tuple[str, ...]) -> str:
    """Join modules into one.

    Args:
        names: of the modules in the folder `page`, each after those that it imports.

    Returns:
        Their text, without the imports among them.
    """
    return "\n".join(_IMPORT.sub("", source(f"{name}.mjs")) for name in names)


def source(name: str) -> str:
    """Read a file of the folder `page`."""
    return (resources.files(__package__) / "page" / name).read_text("utf-8")
