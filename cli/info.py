"""`sltpack info`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from . import options


@click.command("info")
@options.ticket_argument()
@click.option("--layers", is_flag=True, help="List every layer, and the parts of the supermask.")
@options.json_option()
@options.max_weights_option()
def command(file: str, layers: bool, as_json: bool, max_weights: int) -> None:
    """Tell the size of a ticket in bits, and where each bit goes.

    FILE is a .slt file or the name of a ticket that comes with sltpack, such as conv6-cifar10. The file's digest is
    checked; no weight is made, and no bit of a coded supermask read: how many weights each layer keeps is what the
    header says, until verify counts them.

    \b
    Examples:
      sltpack info model.slt
      sltpack info conv6-cifar10 --layers
      sltpack info model.slt --json | jq .file_bits
    """
    from sltpack.bundled import locate
    from sltpack.errors import one_line
    from sltpack.format import container
    from sltpack.format.accounting import account
    from sltpack.format.records import parts

    ticket = container.read(locate(file), max_weights)
    found = account(ticket)
    if as_json:
        values = parts(ticket.header)
        named = {key: values[key] for key in values if key not in ("layers", "buffers", "weights_sha256")}
        click.echo(json.dumps({**asdict(found), "sparsity": found.sparsity, **named}))
        return

    from rich.text import Text

    from .output import console, described, layer_table, parts_chart, weights_chart

    source, out = ticket.header.source, console()
    arguments = ", ".join(f"{key} {value}" for key, value in source.model.arguments.items())
    out.print(Text.assemble((one_line(file), "bold"), one_line(f"  {source.model.name} ({arguments})")))
    about = ", ".join(f"{key} {value}" for key, value in ticket.header.about.items())
    if about:
        out.print(Text(one_line(about)))
    out.print()
    out.print(f"file           {found.file_bits:>13,} bits = {found.file_bits // 8:,} bytes")
    out.print(f"supermask      {found.supermask_bits:>13,} bits, {_each(found.supermask_bits, found.searched)}")
    entropy = _each(found.entropy_bits, found.searched)
    out.print(f"entropy        {found.entropy_bits:>13,.0f} bits, {entropy}, by one density a layer")
    out.print(f"paper's count  {found.paper_bits:>13,} bits, one a searched weight")
    ratio = found.dense_bits / found.file_bits
    out.print(f"dense float32  {found.dense_bits:>13,} bits, {ratio:.1f} times the file")
    out.print("\n[bold]where the bits go[/bold]")
    out.print(parts_chart(found))
    out.print(f"\n[bold]the {found.weights:,} weights[/bold]")
    out.print(weights_chart(found))
    frozen = found.pruned + found.locked
    out.print(
        f"\nsparsity {found.sparsity:.4f}, search space {found.searched:,} ({found.searched / found.weights:.4f}), "
        f"freezing {frozen / found.weights:.4f} = "
        f"pruning {found.pruned / found.weights:.4f} + locking {found.locked / found.weights:.4f}"
    )
    for line in described(ticket):
        out.print(Text(one_line(line)))
    if layers:
        out.print()
        out.print(layer_table(found))
        inner = ", ".join(f"{part.replace('_', ' ')} {bits:,}" for part, bits in found.supermask_parts.items())
        out.print(f"\nbits of the supermask: {inner}")


def _each(bits: float, searched: int) -> str:
    return f"{bits / searched:.3f} a searched weight" if searched else "nothing searched"
