"""Why a pickle is not read: it names code, it is damaged, or it could be either, which cannot be determined."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What is known of a pickle that is not read, in the words that an error ends with."""

    CODE = "none of it was run"
    DAMAGED = "the file is damaged"
    UNCLEAR = "the file is damaged, made to do harm, or of a kind that sltpack does not read"


class PickleFault(Exception):
    """A pickle, or the archive around it, cannot be read.

    Args:
        verdict: what is known of it.
        found: what was found there, in the words of an error's sentence.
    """

    def __init__(self, verdict: Verdict, found: str) -> None:
        self.verdict = verdict
        self.found = found
        super().__init__(verdict, found)

    def remedy(self, then: str) -> str:
        """Return what an error advises.

        Args:
            then: what the reader can do about it.
        """
        return f"{self.verdict.value}; {then}"


def code(name: str) -> PickleFault:
    """Make the fault of a pickle that names a class or function which is not admitted."""
    return PickleFault(Verdict.CODE, f"a pickle that names code to run, {name}")


def damaged(found: str) -> PickleFault:
    """Make the fault of a pickle that no writer makes."""
    return PickleFault(Verdict.DAMAGED, found)


def unclear(found: str) -> PickleFault:
    """Make the fault of a pickle that could be damaged as well as crafted."""
    return PickleFault(Verdict.UNCLEAR, found)
