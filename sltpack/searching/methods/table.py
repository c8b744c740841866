"""The methods of search by name. Adding one takes a file beside this one and a line here.

Nothing that needs torch is imported until a method is chosen, so that `sltpack search --help` answers at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .search_method import SearchMethod


@dataclass(frozen=True)
class Entry:
    """A method of search.

    Attributes:
        module: of this package, in which its class stands.
        class_name: of the class, a `SearchMethod`.
        help: how it finds a supermask, as the end of the sentence "The ticket comes from ...".
        paper: where it is described.
    """

    module: str
    class_name: str
    help: str
    paper: str

    def load(self) -> type[SearchMethod]:
        """Import the class."""
        found: type[SearchMethod] = getattr(importlib.import_module(f"{__package__}.{self.module}"), self.class_name)
        return found


METHODS: Mapping[str, Entry] = {
    "edge-popup": Entry(
        "edge_popup", "EdgePopup", "the largest of learned scores", "Ramanujan et al. 2020; Sreenivasan et al. 2022"
    ),
    "gem-miner": Entry("gem_miner", "GemMiner", "learned scores that are rounded", "Sreenivasan et al. 2022"),
    "random": Entry("random_search", "RandomSearch", "the best of random supermasks, one an epoch", "none: a baseline"),
}
"""The methods by the names that the command line, plans and checkpoints know them by."""
