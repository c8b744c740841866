"""The networks: each a plain torch module without biases or learned normalisation."""

from .registry import (
    FOR_GRAPHS,
    MODELS,
    AnyBuilder,
    build,
    describe,
    example,
    layer_table,
    list_models,
    name_of,
    shapes,
    spec,
    takes_graph,
    try_out,
)

__all__ = [
    "FOR_GRAPHS",
    "MODELS",
    "AnyBuilder",
    "build",
    "describe",
    "example",
    "layer_table",
    "list_models",
    "name_of",
    "shapes",
    "spec",
    "takes_graph",
    "try_out",
]
