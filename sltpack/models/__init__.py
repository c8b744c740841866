"""The networks: each a plain torch module without biases or learned normalisation."""

from .registry import MODELS, build, describe, shapes, spec, try_out

__all__ = ["MODELS", "build", "describe", "shapes", "spec", "try_out"]
