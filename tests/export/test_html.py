"""The page: one file that refers to nothing, with a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest

from sltpack.bundled import locate
from sltpack.errors import RequestError
from sltpack.export.targets import export

LARGEST = 250_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the bundled ticket."""
    path = tmp_path_factory.mktemp("page") / "<b>page.html"
    assert export("conv6-cifar10", "html", path) == path.stat().st_size <= LARGEST
    return path.read_text("utf-8")


def test_the_ticket_stands_in_it_as_it_is(page: str) -> None:
    (held,) = re.findall(r'<script type="text/plain" id="ticket">([^<]*)</script>', page)
    assert base64.b64decode(held) == locate("conv6-cifar10").read_bytes()


def test_it_refers_to_no_other_file(page: str) -> None:
    assert not re.search(
        r'\b(src|href|action)\s*=|@import|url\(|\bimport\s*[({"]|\bfetch\(|XMLHttpRequest|https?:', page
    )


def test_its_policy_lets_only_its_own_script_and_style_run(page: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(html.unescape(rule).strip().split(" ", 1) for rule in policy.split(";"))
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert rules["default-src"] == "'none'"
    for kind, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[kind] == f"'sha256-{digest}'"
    # All styles are set by properties, which a policy does not forbid; no attribute may carry one.
    assert not re.search(r"\son\w+=|\sstyle=", page.replace(script, ""))
    assert "innerHTML" not in script


def test_a_network_that_the_page_cannot_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"expected a ticket of conv2 to conv8 or a ResNet.*found the network gin"):
        export("gin-cora", "html", tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_targets_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--to: expected one of .*, found htm; did you mean html\?"):
        export("conv6-cifar10", "htm", tmp_path / "page.html")
