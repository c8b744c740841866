"""The networks: each a plain torch module without biases or learned normalisation."""

from .registry import FOR_GRAPHS, MODELS, build, describe, example, shapes, spec, takes_graph, try_out

__all__ = ["FOR_GRAPHS", "MODELS", "build", "describe", "example", "shapes", "spec", "takes_graph", "try_out"]
