"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.testing import CliRunner

from sltpack_cli.main import cli

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_HEAD = """\
# The commands

Made from `sltpack --help` and `sltpack COMMAND --help` by `python tests/cli/test_document.py`; a test fails where this
page is stale.

Exit status: 0 where all is well, 1 where a file, a data set or a check failed, 2 for a wrong call, 130 after Ctrl-C,
143 after SIGTERM, 129 after SIGHUP, 141 where whoever reads the output has read enough.
Errors are one line on standard error; a call with a wrong option or argument has its usage in front of that line.
Progress is drawn on standard error, and only in a terminal.

Data sets that are downloaded are kept in the user's cache folder, or in the folder that the environment variable
`SLTPACK_CACHE` names (`~` stands for home).
"""


def page() -> str:
    """Writes the page anew."""
    parts = [_HEAD, _shown("--help")]
    for name, command in cli.commands.items():
        parts += [f"## {name}\n", _shown(name, "--help")]
        for inner in command.commands if isinstance(command, click.Group) else ():
            parts += [f"### {name} {inner}\n", _shown(name, inner, "--help")]
    return "\n".join(parts)


def _shown(*words: str) -> str:
    shown = CliRunner().invoke(cli, words, prog_name="sltpack", terminal_width=100)
    return f"```text\n{shown.stdout}```\n"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python tests/cli/test_document.py"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stderr.write(f"{PAGE} written\n")
