"""Multiplications and additions of one item: those of the matrix products, two for each pair.

`pruned` counts the graphs of ours, whose last layer computes no more than the pooled token;
otherwise the model is counted as it was published.
"""

from bench.towers.inputs.shapes import Shape


def image_flops(shape: Shape, *, pruned: bool) -> float:
    patches = (shape.image_tokens - 1) * 3 * shape.patch_px**2 * shape.width
    tokens = shape.image_tokens
    layers = encoder(shape.width, shape.layers, tokens, tokens, pruned=pruned)
    return 2.0 * (patches + layers + shape.width * shape.embedding)


def text_flops(shape: Shape, tokens: float, *, pruned: bool) -> float:
    layers = encoder(shape.text_width, shape.text_layers, tokens, tokens, pruned=pruned)
    return 2.0 * (layers + shape.text_width * shape.embedding)


def encoder(width: int, layers: int, tokens: float, keys: float, *, pruned: bool) -> float:
    """Return the pairs of all layers; a mask saves none, as it is added after the product."""
    whole = layer(width, tokens, tokens, keys)
    last = layer(width, 1, tokens, keys) if pruned else whole
    return (layers - 1) * whole + last


def layer(width: int, queries: float, tokens: float, keys: float) -> float:
    """Count queries, output and MLP of the query tokens, keys and values of all, and attention."""
    projections = width**2 * (2 * queries + 2 * tokens)
    return projections + 2 * queries * keys * width + 8 * queries * width**2
