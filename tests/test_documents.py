"""What the documents point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
LINK = re.compile(r"\]\(([^)#:]+)\)")
NAMED = re.compile(r"\b((?:docs|tests|sltpack|cli)/[\w/.-]+\.(?:py|md|svg|jsonl|slt))\b")


def missing(page: Path) -> list[str]:
    """The links of a page, and the files that it names, that are nowhere."""
    text = page.read_text("utf-8")
    links = [name for name in LINK.findall(text) if not (page.parent / name).exists()]
    return links + [name for name in NAMED.findall(text) if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files(page: Path) -> None:
    assert missing(page) == []


def test_what_is_missing_is_seen(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("[here](page.md) [there](nowhere.md) docs/never.py docs/format.md")
    assert missing(tmp_path / "page.md") == ["nowhere.md", "docs/never.py"]


def test_sections_that_are_named() -> None:
    results = (ROOT / "docs" / "results.md").read_text("utf-8")
    for page in (*PAGES, ROOT / "sltpack" / "searching" / "presets.py"):
        for section in re.findall(r'results\.md\)?, "([^"]+)"', page.read_text("utf-8")):
            assert f"## {section}\n" in results
