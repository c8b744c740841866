"""The table of data sets: every line of it works, and what is not in it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sltpack.data import sources
from sltpack.data.images.image_input import CENTER_CROP, IMAGENET, image_input
from sltpack.data.sources import (
    GRAPH_INPUT,
    NAMES,
    SOURCES,
    Choices,
    fixed_classes,
    fixed_input,
    is_graph,
    source_of,
    title_of,
)
from sltpack.errors import RequestError


@pytest.mark.parametrize("name", SOURCES)
def test_every_line_of_the_table(name: str) -> None:
    source = SOURCES[name]
    reader = source.read()
    assert callable(reader.load)
    assert (reader.images is None) == source.graph == is_graph(name)
    assert source.pattern in NAMES
    assert set(source.options) <= set(Choices.__dataclass_fields__)
    assert source_of(f"{name}:path" if source.has_path else name) is source
    with pytest.raises(RequestError):
        source_of(name if source.has_path else f"{name}:path")
    with pytest.raises(RequestError):
        source_of(f"{name}:")


def test_the_table_is_read_without_a_library() -> None:
    code = "import sys, sltpack.data.sources as s; s.NAMES; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_classes_and_inputs() -> None:
    assert fixed_classes("digits") == tuple("0123456789")
    assert fixed_classes("cora")[0] and len(fixed_classes("ogbn-arxiv")) == 40
    assert fixed_classes("cifar100") == fixed_classes("folder") == fixed_classes("nothing") == ()
    assert (
        fixed_input("cifar10") == fixed_input("cifar100") == image_input((0.491, 0.482, 0.447), (0.247, 0.243, 0.262))
    )
    assert fixed_input("folder:photos") == fixed_input("folder") == IMAGENET
    assert fixed_input("cora") == GRAPH_INPUT
    assert fixed_input("anything") is None
    assert replace(IMAGENET, fit=CENTER_CROP) == fixed_input("imagenet:x")


def test_titles() -> None:
    assert title_of("cifar10") is None
    assert title_of("folder:/data/my photos/") == "my photos"
    assert title_of(f"folder:{os.curdir}") == Path.cwd().name
    assert title_of("graph:a/b.safetensors") == "b.safetensors"
    assert title_of("folder:a\nb") == "a\\nb"
    assert len(title_of("folder:" + "a" * 200) or "") == 60
    assert title_of("folder:/") is None


def test_a_folder_may_be_text_or_a_path(tmp_path: Path) -> None:
    messages = []
    for folder in (tmp_path, str(tmp_path)):
        with pytest.raises(Exception, match="expected a folder cifar-10-batches-bin") as caught:
            sources.load("cifar10", folder)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(Exception, match=f"^{tmp_path / 'none'}: ".replace("\\", ".")):
        sources.load("folder:~/none")
    with pytest.raises(Exception, match=r"^~nosuchuser/none: expected a folder that can be read"):
        sources.load("folder:~nosuchuser/none")
