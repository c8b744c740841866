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
Errors are one line on standard error. In a terminal, what is printed is broken between words where it is wider; numbers
and names stay whole. `sltpack list` names the tickets, models, data, presets and plans that come with sltpack; the name
of a ticket stands for it even where a file is called so (that file is `./NAME`).

The Tab key completes commands, options, names and files after

```sh
eval "$(_SLTPACK_COMPLETE=bash_source sltpack)"    # bash 4.4 and later: in ~/.bashrc
eval "$(_SLTPACK_COMPLETE=zsh_source sltpack)"     # zsh: in ~/.zshrc
_SLTPACK_COMPLETE=fish_source sltpack | source     # fish: in ~/.config/fish/completions/sltpack.fish
```

Progress is drawn on standard error, and only in a terminal.

Data sets that are downloaded are kept in the user's cache folder, or in the folder that the environment variable
`SLTPACK_CACHE` names (`~` stands for home).
"""


def page() -> str:
    """Write the page."""
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
