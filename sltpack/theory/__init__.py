"""What the existence proofs of strong lottery tickets rest on, measured."""

from .needed import Curve, Experiment, fit, measure
from .picture import draw
from .subset_sums import reaches_all

__all__ = ["Curve", "Experiment", "draw", "fit", "measure", "reaches_all"]
