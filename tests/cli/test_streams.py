"""`-` for standard input and output, and folders as outputs."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from safetensors.numpy import load

from sltpack.bundled import locate
from sltpack_cli.main import cli

TICKET = locate("gin-cora").read_bytes()


def test_standard_input_is_a_file() -> None:
    for command in ("info", "verify"):
        ended = CliRunner().invoke(cli, [command, "-"], input=TICKET)
        assert (ended.exit_code, ended.stderr) == (0, "")
        assert "standard input" in ended.stdout
    ended = CliRunner().invoke(cli, ["info", "-"], input=TICKET[:1000])
    assert ended.exit_code == 1
    assert "standard input: expected " in ended.stderr and ended.stderr.count("\n") == 1


def test_standard_output_is_a_file(tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["unpack", "-", "-o", "-"], input=TICKET)
    assert (ended.exit_code, len(load(ended.stdout_bytes))) == (0, 5)
    assert "5 tensors" in ended.stderr
    ended = CliRunner().invoke(cli, ["unpack", "-", "-o", "-"], input=b"x" * 1000)
    assert (ended.exit_code, ended.stdout_bytes) == (1, b"")


def test_a_folder_is_where_a_file_goes(tmp_path: Path) -> None:
    for name in (str(tmp_path), f"{tmp_path}/"):
        ended = CliRunner().invoke(cli, ["unpack", "gin-cora", "-o", name, "--force"])
        assert (ended.exit_code, ended.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["gin-cora.safetensors"]
