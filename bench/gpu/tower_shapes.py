"""Towers in the shapes of OpenAI's CLIP, with random weights, and items for them.

Neither a checkpoint nor transformers is needed: the weights are drawn, `twinlens_export` builds the
ONNX models from them, and tower_torch.py computes the same from the same arrays.
"""

from functools import partial

import numpy as np

from bench.harness.clip_pixels import MEAN, STD
from bench.towers.flops import image_flops, text_flops
from bench.towers.inputs.shapes import Shape
from twinlens_export.architecture import (
    Encoder,
    ImageTower,
    Layer,
    Linear,
    Norm,
    PixelNormalization,
    TextTower,
)
from twinlens_export.precision import BuildGraph
from twinlens_export.towers.tower_graphs import image_graph, text_graph

SMALL = Shape(
    name="small",
    side_px=32,
    patch_px=8,
    width=64,
    layers=2,
    text_width=64,
    text_layers=2,
    vocabulary=512,
    embedding=32,
)
"""Shape that tests the checks only."""


def linear(random: np.random.Generator, n_out: int, n_in: int, gain: float = 1.0) -> Linear:
    weight = random.standard_normal((n_out, n_in), dtype=np.float32)
    weight *= np.float32(gain * n_in**-0.5)
    bias = random.standard_normal(n_out, dtype=np.float32) * np.float32(0.02)
    return Linear(weight=weight, bias=bias)


def norm(random: np.random.Generator, width: int) -> Norm:
    """Draw a norm with a few channels that stand out, as those of trained towers do."""
    scale = 1 + 0.1 * random.standard_normal(width, dtype=np.float32)
    scale[random.choice(width, 4, replace=False)] *= 8
    bias = random.standard_normal(width, dtype=np.float32) * np.float32(0.1)
    return Norm(scale=scale, bias=bias, epsilon=1e-5)


def encoder(random: np.random.Generator, width: int, layers: int, *, causal: bool) -> Encoder:
    quiet = (2 * layers) ** -0.5  # so that the sums do not grow with the depth

    def layer() -> Layer:
        return Layer(
            attention_norm=norm(random, width),
            query=linear(random, width, width),
            key=linear(random, width, width),
            value=linear(random, width, width),
            out_proj=linear(random, width, width, quiet),
            mlp_norm=norm(random, width),
            fc1=linear(random, 4 * width, width),
            fc2=linear(random, width, 4 * width, quiet),
        )

    return Encoder(
        layers=tuple(layer() for _ in range(layers)),
        heads=max(1, width // 64),
        activation="quick_gelu",
        attention_mask="causal" if causal else "full",
    )


def image_tower(shape: Shape) -> ImageTower:
    random = np.random.default_rng(0)
    width, patch = shape.width, shape.patch_px
    tokens = (shape.side_px // patch) ** 2 + 1
    patches = linear(random, width, 3 * patch * patch).weight.reshape(width, 3, patch, patch)
    return ImageTower(
        side_px=shape.side_px,
        normalization=PixelNormalization(factor=1 / 255, mean=MEAN, std=STD),
        patch_embedding=patches,
        patch_bias=None,
        class_embedding=random.standard_normal(width, dtype=np.float32),
        position_embedding=random.standard_normal((tokens, width), dtype=np.float32),
        input_norm=norm(random, width),
        encoder=encoder(random, width, shape.layers, causal=False),
        output_norm=norm(random, width),
        pool=None,
        projection=without_bias(linear(random, shape.embedding, width)),
    )


def text_tower(shape: Shape) -> TextTower:
    random = np.random.default_rng(1)
    width = shape.text_width
    return TextTower(
        token_embedding=random.standard_normal((shape.vocabulary, width), dtype=np.float32),
        position_embedding=random.standard_normal((shape.context, width), dtype=np.float32),
        pad_id=shape.end_id,
        end_id=shape.end_id,
        pooling="eos",
        input_norm=None,
        encoder=encoder(random, width, shape.text_layers, causal=True),
        output_norm=norm(random, width),
        projection=without_bias(linear(random, shape.embedding, width)),
    )


def without_bias(map_: Linear) -> Linear:
    return Linear(weight=map_.weight, bias=None)


def images(shape: Shape, count: int) -> np.ndarray:
    """Draw uint8 [B, S, S, 3]: noise over random gradients, so that no two are alike."""
    random = np.random.default_rng(2)
    ends = random.integers(0, 256, (count, 2, 2, 3)).astype(np.float32)
    ramp = np.linspace(0, 1, shape.side_px, dtype=np.float32)[None, :, None]
    left, right = (
        end[:, 0, None] * (1 - ramp) + end[:, 1, None] * ramp for end in (ends[:, 0], ends[:, 1])
    )
    across = left[:, :, None] * (1 - ramp[:, None]) + right[:, :, None] * ramp[:, None]
    noise = random.integers(-20, 21, across.shape, dtype=np.int16)
    return (across + noise).clip(0, 255).astype(np.uint8)


def ids(shape: Shape, count: int, tokens: int) -> np.ndarray:
    """Draw int64 [B, T]: texts of several lengths, the longest of T tokens."""
    random = np.random.default_rng(3)
    batch = random.integers(1, shape.end_id, (count, tokens))
    for row, length in zip(batch, random.integers(4, tokens + 1, count), strict=True):
        row[length - 1 :] = shape.end_id
    return batch


def graph_of(tower: ImageTower | TextTower) -> BuildGraph:
    """Return the function that `in_precision` calls to build the graph."""
    return partial(image_graph if isinstance(tower, ImageTower) else text_graph, tower)


def flops(shape: Shape, *, image: bool, tokens: int) -> float:
    """Count one item, the last layer whole, as others compute it."""
    if image:
        return image_flops(shape, pruned=False)
    return text_flops(shape, tokens, pruned=False)
