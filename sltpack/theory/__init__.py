"""What the existence proofs of strong lottery tickets rest on, measured."""

from .needed import Curve, Experiment, fitted_constant, measure
from .subset_sums import reaches_all

__all__ = ["Curve", "Experiment", "fitted_constant", "measure", "reaches_all"]
