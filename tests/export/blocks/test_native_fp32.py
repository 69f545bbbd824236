"""The native operators of float32 towers: against float64, and the graph of standard operators."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from numpy.typing import DTypeLike, NDArray
from one_block import Run, graph_of, of_kind, opened, require_batches_alike
from random_layers import linear, norm, normal

from twinlens_export.architecture import Activation, Linear, Norm
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import Blocks
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.graph import graph as graphs
from twinlens_export.graph.graph import save, save_beside
from twinlens_kernels import operators

native = pytest.mark.skipif(
    operators.path() is None, reason="this processor, or this installation, has no native operators"
)
Array = NDArray[np.float32]
Make = Callable[[Blocks, np.random.Generator], str]
ACTIVATIONS: Final[list[Activation]] = ["quick_gelu", "gelu", "gelu_tanh"]
SIZES = some.tuples(
    some.integers(1, 5),  # batch
    some.integers(1, 40),  # tokens
    some.sampled_from([1, 8, 61, 64, 96, 257, 300]),  # width
    some.integers(0, 2**32 - 1),  # seed
)
NEAR: Final = 3e-6
"""Bound on the error, by the largest value: float32 has 6e-8, and a sum some hundred terms."""


def sessions(
    width: int, seed: int, make: Make, *, dtype: DTypeLike = np.float32
) -> tuple[Run, Run, Run, Run]:
    """Open the native graph of a block on 1 and on 2 threads, and the two of standard operators.

    The first of these is packed and shares its weights with the native one.
    """
    packed = graph_of(lambda graph: FloatBlocks(graph, packed=True), width, seed, make, dtype)
    plain = graph_of(FloatBlocks, width, seed, make, dtype)

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        paths = [Path(folder) / f"{name}.onnx" for name in ("native", "packed", "plain")]
        patch.setattr(graphs, "LARGEST_EMBEDDED_BYTES", 0)
        save(packed, paths[1])
        save_beside(graph_of(NativeFloatBlocks, width, seed, make, dtype), paths[0], paths[1])
        save(plain, paths[2])
        one, two = opened(paths[0], 1), opened(paths[0], 2)
        return one, two, opened(paths[1], 1), opened(paths[2], 1)


def require_equal(make: Make, x: NDArray[Any], *, out: int, seed: int, near: float = NEAR) -> Array:
    """Assert that all graphs agree, and that an item is independent of its batch; return it."""
    one, two, packed, plain = sessions(x.shape[2], seed, make, dtype=x.dtype)
    got, wanted = require_batches_alike(one, two, x), plain(x)
    assert got.shape == (*x.shape[:2], out)
    np.testing.assert_array_equal(packed(x), wanted)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=near * max(1.0, np.abs(wanted).max()))
    found: Array = got
    return found


@native
@given(SIZES, some.sampled_from([1, 16, 33, 200]), some.booleans(), some.booleans())
@settings(max_examples=20, deadline=None)
def test_linear(
    sizes: tuple[int, int, int, int], outputs: int, behind_norm: bool, biased: bool
) -> None:
    batch, tokens, width, seed = sizes
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)
    layers: list[tuple[Linear, Norm | None]] = []

    def make(blocks: Blocks, random: np.random.Generator) -> str:
        before = norm(random, width) if behind_norm else None
        layers.append((linear(random, width, outputs, bias=biased), before))
        return blocks.linear("x", layers[-1][0], "it", norm=before)

    got = require_equal(make, x, out=outputs, seed=seed)
    layer, before = layers[0]
    exact = x.astype(np.float64)
    if before is not None:
        exact = exact - exact.mean(axis=-1, keepdims=True)
        exact /= np.sqrt((exact**2).mean(axis=-1, keepdims=True) + before.epsilon)
        exact = exact * before.scale + before.bias
    exact = exact @ layer.weight.T.astype(np.float64) + (0 if layer.bias is None else layer.bias)
    np.testing.assert_allclose(got, exact, rtol=0, atol=NEAR * max(1.0, np.abs(exact).max()))


@native
@given(SIZES, some.booleans(), some.integers(-12, 12))
@settings(max_examples=15, deadline=None)
def test_norms_and_unit_rows(
    sizes: tuple[int, int, int, int], behind_norm: bool, exponent: int
) -> None:
    batch, tokens, width, seed = sizes
    # onnxruntime 1.21 refuses the norm of a single number.
    assume(width > 1 or not behind_norm)
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width) + np.float32(0.5)
    x *= np.float32(2.0**exponent)
    norms: list[Norm] = []

    def make(blocks: Blocks, random: np.random.Generator) -> str:
        norms.append(norm(random, width))
        rows = blocks.norm("x", norms[0], "it") if behind_norm else "x"
        # The axis of the graph's own unit rows [B, D] is its second.
        flat = blocks.graph.add("Reshape", rows, blocks.graph.constant([-1, width], np.int64))
        shape = blocks.graph.add("Shape", "x")
        return blocks.graph.add("Reshape", blocks.unit_rows(flat, "unit"), shape)

    got = require_equal(make, x, out=width, seed=seed)
    exact = x.astype(np.float64)
    if behind_norm:
        exact = exact - exact.mean(axis=-1, keepdims=True)
        exact /= np.sqrt((exact**2).mean(axis=-1, keepdims=True) + norms[0].epsilon)
        exact = exact * norms[0].scale + norms[0].bias
    exact /= np.linalg.norm(exact, axis=-1, keepdims=True)
    np.testing.assert_allclose(got, exact, rtol=0, atol=NEAR)


@native
@given(SIZES)
@settings(max_examples=10, deadline=None)
def test_linear_add(sizes: tuple[int, int, int, int]) -> None:
    batch, tokens, width, seed = sizes
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)
    require_equal(of_kind("linear add", width, width), x, out=width, seed=seed)


@native
@given(SIZES, some.sampled_from([1, 70]))
@settings(max_examples=10, deadline=None)
def test_bytes_linear(sizes: tuple[int, int, int, int], outputs: int) -> None:
    batch, tokens, width, seed = sizes
    pixels = np.random.default_rng(seed + 1).integers(0, 256, (batch, tokens, width))
    make = of_kind("bytes", width, outputs)
    require_equal(make, pixels.astype(np.uint8), out=outputs, seed=seed)


@native
@given(SIZES, some.sampled_from(ACTIVATIONS), some.sampled_from([32, 250]), some.booleans())
@settings(max_examples=15, deadline=None)
def test_mlp_add(
    sizes: tuple[int, int, int, int], activation: Activation, middle: int, behind_norm: bool
) -> None:
    batch, tokens, width, seed = sizes
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)

    kind = "norm mlp" if behind_norm else "mlp"
    make = of_kind(kind, width, middle, activation=activation)
    require_equal(make, x, out=width, seed=seed)


def mapped(x: Array, layer: Linear) -> Array:
    bias = 0 if layer.bias is None else layer.bias
    product: Array = x @ layer.weight.T.astype(np.float64) + bias
    return product


def exact_attention(
    x: Array, before: Norm, qkv: Linear, out: Linear, *, heads: int, causal: bool
) -> Array:
    """Norm, attention by softmax (its scale is in the weights), projection and residual."""
    normed = x - x.mean(axis=-1, keepdims=True)
    normed /= np.sqrt((normed**2).mean(axis=-1, keepdims=True) + before.epsilon)
    split = mapped(normed * before.scale + before.bias, qkv).reshape(*x.shape[:2], 3, heads, -1)
    queries, keys, values = split.transpose(2, 0, 3, 1, 4)
    scores = queries @ keys.swapaxes(2, 3)
    if causal:
        scores[..., ~np.tri(x.shape[1], dtype=bool)] = -np.inf
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return x + mapped((shares @ values).swapaxes(1, 2).reshape(x.shape), out)


@native
@given(
    some.integers(1, 4),
    some.integers(1, 90),
    some.sampled_from([(1, 64), (3, 64), (4, 72), (2, 16), (4, 9), (2, 18)]),
    some.booleans(),
    some.integers(0, 2**32 - 1),
)
@settings(max_examples=20, deadline=None)
def test_a_whole_attention(
    batch: int, tokens: int, shape: tuple[int, int], causal: bool, seed: int
) -> None:
    heads, head_width = shape
    width = heads * head_width
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)
    last: list[str] = []
    parts: list[tuple[Norm, Linear, Linear]] = []

    def make(blocks: Blocks, random: np.random.Generator) -> str:
        qkv = linear(random, width, 3 * width)
        parts.append((norm(random, width), qkv, linear(random, width, width)))
        joined = blocks.linear("x", qkv, "joined", norm=parts[-1][0])
        attended = blocks.self_attention(joined, heads, causal=causal)
        total = blocks.linear_add(attended, parts[-1][2], "x", "mixed")
        last.append(blocks.graph.nodes[-1].op)
        return total

    # NEAR is for one map; here a map, a softmax and a map each add to the distance.
    near = 2 * NEAR
    got = require_equal(make, x, out=width, seed=seed, near=near)
    exact = exact_attention(x.astype(np.float64), *parts[0], heads=heads, causal=causal)
    np.testing.assert_allclose(got, exact, rtol=0, atol=near * max(1.0, np.abs(exact).max()))
    assert ("FloatNorm" in last[-1]) is (width % 32 == 0)


@native
@given(
    some.integers(1, 4),
    some.integers(1, 90),
    some.sampled_from([(1, 64), (3, 64), (2, 72), (4, 16), (2, 20)]),
    some.booleans(),
    some.integers(0, 2**32 - 1),
)
@settings(max_examples=15, deadline=None)
def test_attention_to_the_first_tokens(
    batch: int, tokens: int, shape: tuple[int, int], pooled: bool, seed: int
) -> None:
    heads, head_width = shape
    width = heads * head_width
    random = np.random.default_rng(seed)
    x = normal(random, batch, tokens, 3 * width)
    x[..., :width] *= 2 / np.float32(head_width**0.5)
    # The counts come from the first number of each item, so that an item may be a batch.
    x[:, 0, 0] = random.integers(1, tokens + 1, batch)

    def make(blocks: Blocks, _: np.random.Generator) -> str:
        graph = blocks.graph

        def cut(start: int, end: int, axis: int, tensor: str) -> str:
            bounds = (graph.constant([value], np.int64) for value in (start, end, axis))
            return graph.add("Slice", tensor, *bounds)

        first = graph.add("Squeeze", cut(0, 1, 2, cut(0, 1, 1, "x")))
        first = graph.add("Reshape", first, graph.constant([-1], np.int64))
        counts = graph.add("Cast", first, to=7)
        if not pooled:
            return blocks.counted_attention("x", heads, counts)
        query, rest = cut(0, 1, 1, cut(0, width, 2, "x")), cut(width, 3 * width, 2, "x")
        return blocks.pooled_attention(query, rest, heads, counts)

    one, two, packed, plain = sessions(3 * width, seed, make)
    np.testing.assert_allclose(require_batches_alike(one, two, x), plain(x), rtol=0, atol=2e-5)
    np.testing.assert_array_equal(packed(x), plain(x))
