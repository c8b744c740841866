"""`sltpack demo`."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

_SEARCH = (
    "search --model conv4 --width 0.5 --data digits --sparsity 0.5 --freeze 0.5 --epochs 16 --batch-size 32 "
    "--precision float32"
)
_STEPS = (
    f"{_SEARCH} -o {{folder}}/run",
    "pack {folder}/run/ckpt.pt -o {folder}/digits.slt",
    "info {folder}/digits.slt",
    "verify {folder}/digits.slt",
    "infer {folder}/digits.slt --data digits",
)


@click.command("demo")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the files in this new folder.")
def command(keep: Path | None) -> None:
    """Search, pack, measure, verify and run a ticket on small images.

    It takes less than a minute and no network: the images are handwritten digits of 8x8 pixels that come with sltpack.
    Each command is printed and then run.

    \b
    Examples:
      sltpack demo
      sltpack demo --keep demo-run
    """
    import tempfile

    from sltpack.files import make_folder, refuse_existing

    from .main import cli

    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sltpack-demo-") as temporary:
        if keep is not None:
            refuse_existing(keep)
            make_folder(keep)
        folder = temporary if keep is None else str(keep)
        for step in _STEPS:
            words = [word.format(folder=folder) for word in shlex.split(step)]
            click.secho("$ sltpack " + shlex.join(words), bold=True)
            cli.main(words, prog_name="sltpack", standalone_mode=False)
            click.echo()
    kept = "" if keep is None else f"; the files are in {keep}"
    click.echo(f"done in {time.monotonic() - begin:.0f} s{kept}")
