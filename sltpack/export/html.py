"""The target `html`: one page that holds the ticket, a reader and the network, and needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import TYPE_CHECKING

from ..errors import RequestError
from .javascript import READER, joined, source

if TYPE_CHECKING:
    from .targets import TicketFile

RUNS = re.compile(r"conv[2468]|(imagenet-)?resnet(18|34|50)")
"""The networks that the page runs."""
MAX_BYTES = 2**24
"""The largest ticket that a page holds; browsers grow slow with longer texts."""
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def make(file: TicketFile) -> bytes:
    """Make the page.

    Args:
        file: a ticket of one of the built-in networks for images.

    Returns:
        HTML, UTF-8, without any reference to another file.

    Raises:
        RequestError: the network is not one that the page runs, or the ticket is too large.
    """
    model = file.ticket.source.model.name
    if not RUNS.fullmatch(model):
        raise RequestError(
            file.name,
            expected="a ticket of conv2 to conv8 or a ResNet, which the page can run",
            found=f"the network {model}",
            remedy="use --to js and run the network yourself",
        )
    if len(file.data) > MAX_BYTES:
        raise RequestError(
            file.name,
            expected=f"a ticket of at most {MAX_BYTES} bytes, for a page",
            found=f"{len(file.data)} bytes",
            remedy="use --to js, which reads the file itself",
        )
    # A module may end no script element, and a text of the ticket cannot: it stands there in base64.
    script = _EXPORT.sub("", joined((*READER, "page")))
    style = source("page.css")
    filled = {
        "TITLE": html.escape(f"{file.name}: a strong lottery ticket"),
        "SCRIPT_HASH": _hash(script),
        "STYLE_HASH": _hash(style),
        "STYLE": style,
        "TICKET": base64.b64encode(file.data).decode("ascii"),
        "SCRIPT": script,
    }
    page = re.sub(r"@@([A-Z_]+)@@", lambda match: filled[match.group(1)], source("page.html"))
    return page.encode()


def _hash(text: str) -> str:
    """Make what a Content-Security-Policy names a script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
