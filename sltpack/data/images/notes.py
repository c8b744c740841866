"""What was done to pictures without being asked for, counted, and said in one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ...errors import one_line

SKIPPED = "skipped"
SYSTEM = "system"
BESIDE = "beside"
TRANSPARENT = "transparent"
DEEP = "deep"
_PHRASES = {
    SKIPPED: ("file that is no picture skipped", "files that are no pictures skipped"),
    SYSTEM: ("hidden or system file passed over", "hidden or system files passed over"),
    BESIDE: ("folder beside the parts left out", "folders beside the parts left out"),
    TRANSPARENT: ("picture with transparency put on white", "pictures with transparency put on white"),
    DEEP: ("picture of 16 bits a channel reduced to 8", "pictures of 16 bits a channel reduced to 8"),
}
_SHOWN = 120


@dataclass
class Notes:
    """Counts of what happened to files, and the first file of each kind."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, file: object) -> None:
        """Count a file.

        Args:
            kind: `SKIPPED`, `SYSTEM`, `BESIDE`, `TRANSPARENT` or `DEEP`.
            file: its name.
        """
        self.counts[kind] += 1
        self.first.setdefault(kind, str(file))

    def lines(self, where: object) -> tuple[str, ...]:
        """Say all of it.

        Args:
            where: what the files belong to.

        Returns:
            One line; none where nothing happened.
        """
        told = []
        for kind, phrases in _PHRASES.items():
            count = self.counts[kind]
            if count:
                example = f" ({one_line(self.first[kind], _SHOWN)})" if kind in (SKIPPED, BESIDE) else ""
                told.append(f"{count:,} {phrases[count != 1]}{example}")
        return (f"{where}: {'; '.join(told)}",) if told else ()
