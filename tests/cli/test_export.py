"""`export`: one ticket as each target, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sltpack.bundled import locate
from sltpack_cli.main import cli

NO_ONNX = importlib.util.find_spec("onnx") is None


def export(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["export", *map(str, words)])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refusal(*words: object, status: int = 2) -> str:
    result = export(*words, status=status)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(
    ("target", "begins"),
    [
        ("html", b"<!doctype html>"),
        ("js", b"//"),
        pytest.param("onnx", b"\x08", marks=pytest.mark.skipif(NO_ONNX, reason="the extra onnx is not installed")),
    ],
)
def test_each_target_writes_one_file_and_says_its_size(target: str, begins: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = export("conv6-cifar10", "--to", target, "-o", out).stdout
    assert printed == f"{out}: {out.stat().st_size:,} bytes\n"
    assert out.read_bytes().lower().startswith(begins)
    assert list(tmp_path.iterdir()) == [out]


def test_a_target_that_does_not_exist(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert refusal("conv6-cifar10", "--to", "onxn", "-o", out) == (
        "--to: expected one of onnx, html, js, found onxn; did you mean onnx?"
    )
    assert refusal("conv6-cifar10", "--to", "coreml", "-o", out) == (
        "--to: expected one of onnx, html, js, found coreml; choose one of them"
    )
    assert not out.exists()


def test_an_output_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "out.mjs"
    out.write_text("mine")
    words = ("gin-cora", "--to", "js", "-o", out)
    assert refusal(*words) == (
        f"{out}: expected a name that is free, found a file of that name; choose another name or pass --force"
    )
    assert out.read_text() == "mine"
    export(*words, "--force")
    assert out.read_text() != "mine"


def test_a_damaged_ticket_is_not_exported(tmp_path: Path) -> None:
    path, out = tmp_path / "damaged.slt", tmp_path / "out.html"
    data = bytearray(locate("conv6-cifar10").read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert refusal(path, "--to", "html", "-o", out, status=1).startswith(f"{path}: expected content with the SHA-256 ")
    assert not out.exists()
    assert refusal(path, "--to", "html", "-o", path, "--force") == (
        f"{path}: expected another file than the one that is read, found the same; choose another name"
    )
    assert path.read_bytes() == data
