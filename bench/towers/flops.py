"""How many multiplications and additions an item takes: those of the products, two for each pair.

Of the model as it was published; and of the graphs of ours, whose last layer computes no more than
the token that is pooled.
"""

from bench.towers.inputs.models import Shape


def image_operations(shape: Shape, *, pruned: bool) -> float:
    patches = (shape.image_tokens - 1) * 3 * shape.patch_px**2 * shape.width
    tokens = shape.image_tokens
    layers = encoder(shape.width, shape.layers, tokens, tokens, pruned=pruned)
    return 2.0 * (patches + layers + shape.width * shape.embedding)


def text_operations(shape: Shape, tokens: float, *, pruned: bool) -> float:
    layers = encoder(shape.text_width, shape.text_layers, tokens, tokens, pruned=pruned)
    return 2.0 * (layers + shape.text_width * shape.embedding)


def encoder(width: int, layers: int, tokens: float, seen: float, *, pruned: bool) -> float:
    """Pairs of all layers; a mask saves none, as it is added after the product."""
    whole = layer(width, tokens, tokens, seen)
    last = layer(width, 1, tokens, seen) if pruned else whole
    return (layers - 1) * whole + last


def layer(width: int, asking: float, tokens: float, seen: float) -> float:
    """Queries, output and MLP of those that ask; keys and values of all; and the attention."""
    projections = width**2 * (2 * asking + 2 * tokens)
    return projections + 2 * asking * seen * width + 8 * asking * width**2
