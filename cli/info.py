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

    from .output import console, described, layer_table, parts_chart, weights_chart, write
    from .screen import TOGETHER

    source, out = ticket.header.source, console()
    arguments = ", ".join(f"{key} {value}" for key, value in source.model.arguments.items())
    name = one_line(file)
    write(out, f"{name}  {one_line(f'{source.model.name} ({arguments})')}", bold=len(name))
    about = ", ".join(f"{key} {value}" for key, value in ticket.header.about.items())
    if about:
        write(out, one_line(about))
    out.print()
    size = found.file_bits // 8
    for what, bits, meaning in (
        ("file", found.file_bits, f"= {size:,} bytes"),
        ("supermask", found.supermask_bits, _each(found.supermask_bits, found.searched)),
        ("entropy", found.entropy_bits, f"{_each(found.entropy_bits, found.searched)}, by layer densities"),
        ("paper's count", found.paper_bits, "one per searched weight"),
        ("dense float32", found.dense_bits, f"{found.dense_bits / found.file_bits:.1f} times the file"),
    ):
        write(out, f"{what:<13}  {bits:>13,.0f} bits, {meaning}".replace(", =", " ="))
    out.print("\n[bold]where the bits go[/bold]")
    out.print(parts_chart(found))
    out.print(f"\n[bold]the {found.weights:,} weights[/bold]")
    out.print(weights_chart(found))
    out.print()
    frozen = found.pruned + found.locked
    shares = {"sparsity k": found.sparsity, "pruning p": found.pruned / found.weights}
    shares |= {"locking l": found.locked / found.weights, "freezing f = p + l": frozen / found.weights}
    write(out, ", ".join(f"{what} {share:.4f}".replace(" ", TOGETHER) for what, share in shares.items()))
    write(out, f"search space {found.searched:,} weights ({found.searched / found.weights:.4f})")
    for line in described(ticket):
        write(out, one_line(line))
    if layers:
        out.print()
        out.print(layer_table(found).drawn())
        inner = ", ".join(f"{part.replace('_', ' ')}{TOGETHER}{bits:,}" for part, bits in found.supermask_parts.items())
        out.print()
        write(out, f"bits of the supermask: {inner}")


def _each(bits: float, searched: int) -> str:
    return f"{bits / searched:.3f} per searched weight" if searched else "nothing searched"
