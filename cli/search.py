"""`sltpack search`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sltpack.header import INITS, METHODS, SCALES, SEED_LIMIT

from . import options

_SEED = click.IntRange(0, SEED_LIMIT - 1)
_POSITIVE = click.IntRange(min=1)


@click.command("search")
@click.option(
    "--model", required=True, help="conv2, conv4, conv6, conv8, resnet18, resnet34 or package.module:builder."
)
@click.option("--data", "data_name", required=True, help="cifar10, cifar100, digits or folder:PATH.")
@options.output_option("The folder for ckpt.pt (best validation accuracy), last.pt and metrics.jsonl.")
@click.option("--sparsity", type=float, default=0.5, show_default=True, help="k, the share of zero weights.")
@click.option("--freeze", type=float, help="f, the share of frozen weights, placed around k.  [default: 0.5]")
@click.option(
    "--prune", type=float, help="Instead of --freeze: p, the share pruned for good; 0 where only --lock is given."
)
@click.option(
    "--lock", type=float, help="Instead of --freeze: l, the share locked for good; 0 where only --prune is given."
)
@click.option("--ratios", "method", type=click.Choice(METHODS), default="epl", show_default=True, help="Layer ratios.")
@click.option("--init", type=click.Choice(INITS), default="skc", show_default=True, help="The random weights.")
@click.option("--scale", type=click.Choice(SCALES), help="Their scale.  [default: layer for skc, none for ku]")
@click.option(
    "--width",
    type=click.FloatRange(0, 1024, min_open=True),
    default=1.0,
    show_default=True,
    help="Factor of the model's channels.",
)
@click.option("--epochs", type=_POSITIVE, default=100, show_default=True, help="Passes over the training images.")
@click.option("--batch-size", type=_POSITIVE, default=128, show_default=True, help="Training images in a step.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=0.1,
    show_default=True,
    help="Of the first step; it falls to 0 along a cosine.",
)
@click.option(
    "--momentum",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.9,
    show_default=True,
    help="The share of a step that goes on in the next.",
)
@click.option(
    "--weight-decay",
    type=click.FloatRange(min=0),
    default=1e-4,
    show_default=True,
    help="How strongly a step draws the scores to 0.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the training steps' products; bfloat16 is fast on new processors and GPUs.",
)
@click.option("--seed", type=_SEED, default=0, show_default=True, help="Of everything that is left to chance.")
@click.option("--weight-seed", type=_SEED, help="Of the weights alone.  [default: --seed]")
@click.option("--freeze-seed", type=_SEED, help="Of the freezing alone.  [default: --seed]")
@options.data_dir_option()
@click.option("--image-size", type=_POSITIVE, help="Scale and crop the images of a folder to this size.")
@options.device_option()
@click.option("--resume", is_flag=True, help="Go on from the folder's last whole epoch.")
@options.json_option()
@options.max_weights_option()
def command(model: str, data_name: str, output: Path, as_json: bool, **chosen: Any) -> None:
    """Search a ticket: which of a random network's weights to keep.

    A random part of the weights is frozen first, pruned or locked for good; only the rest is searched, by edge-popup
    with one threshold for the whole network. Ctrl-C leaves a usable checkpoint; the same command with --resume goes
    on.

    \b
    Examples:
      sltpack search --model conv6 --data cifar10 --sparsity 0.5 --freeze 0.5 -o runs/conv6
      sltpack search --model resnet18 --data cifar10 --prune 0.3 --lock 0.4 --init ku -o runs/resnet
      sltpack search --model conv4 --data folder:photos --image-size 32 --epochs 20 -o runs/photos
      sltpack search --model conv6 --data cifar10 -o runs/conv6 --resume
    """
    from sltpack.search import BEST, Settings, search_images

    names = ("sparsity", "epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "seed", "precision")
    settings = Settings(**{name: chosen.pop(name) for name in names})
    found = search_images(model, data_name, output, settings, **chosen)
    metrics = found.metrics
    if as_json:
        click.echo(json.dumps({"checkpoint": str(output / BEST), **metrics, "settings": dict(found.settings)}))
        return
    click.echo(
        f"{output / BEST}: epoch {metrics['epoch']} of {settings.epochs}, "
        f"validation accuracy {metrics['validation_accuracy']:.4f}, test accuracy {metrics['test_accuracy']:.4f}, "
        f"{found.source.searched:,} of {found.source.size:,} weights searched"
    )
