"""`sltpack unpack`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from . import options, streams
from .screen import say


@click.command("unpack")
@options.ticket_argument()
@options.output_file_option("The file to write.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["safetensors", "torch"]),
    default="safetensors",
    show_default=True,
    help="safetensors, or a state dict by torch.save.",
)
@click.option("--parts", is_flag=True, help="Add source weights, ternary freezing mask and supermask of each layer.")
@options.force_option()
@options.json_option()
@options.max_weights_option()
def command(
    file: str, output: Path, file_format: str, parts: bool, force: bool, as_json: bool, max_weights: int
) -> None:
    """Regenerate a ticket's weights into a file that other tools read.

    The effective weights and the buffers stand under the model's parameter names, ready for load_state_dict; their
    digest is checked against the ticket's.

    \b
    Examples:
      sltpack unpack model.slt -o weights.safetensors
      sltpack unpack model.slt -o state.pt --format torch
      sltpack unpack model.slt -o golden.safetensors --parts
    """
    from sltpack.checkpoints.packing import unpack
    from sltpack.errors import one_line

    suffix = ".pt" if file_format == "torch" else ".safetensors"
    output = streams.in_folder(output, file, suffix)
    done = unpack(file, output, file_format=file_format, parts=parts, force=force, max_weights=max_weights)
    if as_json:
        click.echo(json.dumps({"file": str(output), **asdict(done)}))
    else:
        line = f"{output}: {done.tensors} tensors, {done.weights:,} weights, weights_sha256 {done.weights_sha256}"
        say(one_line(line), page=False)
