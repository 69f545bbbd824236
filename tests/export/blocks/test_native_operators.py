"""The native operators against the ONNX functions in the same file."""

import os
import subprocess
import sys
from collections.abc import Callable, Collection
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from numpy.typing import DTypeLike, NDArray
from one_block import (
    Run,
    graph_of,
    of_kind,
    require_batches_alike,
    require_tokens_apart,
    served,
)
from random_layers import linear, norm, normal

from twinlens_export.architecture import Activation, Norm
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.graph.graph import Graph
from twinlens_kernels import operators

native = pytest.mark.skipif(
    operators.path() is None, reason="this processor, or this installation, has no native operators"
)
Array = NDArray[np.float32]
Make = Callable[[Int8Blocks, np.random.Generator], str]
ACTIVATIONS: Final[list[Activation]] = ["quick_gelu", "gelu", "gelu_tanh"]

SIZES = some.tuples(
    some.integers(1, 5),  # batch
    some.integers(1, 80),  # tokens
    some.sampled_from([8, 60, 64, 72, 192, 328]),  # width
    some.integers(0, 2**32 - 1),  # seed
)


def sessions(
    width: int,
    seed: int,
    make: Make,
    *,
    dtype: DTypeLike = np.float32,
    kept: Collection[str] = (),
) -> tuple[Run, Run, Run]:
    return served(graph_of(lambda graph: Int8Blocks(graph, kept), width, seed, make, dtype))


def require_equal(make: Make, x: NDArray[Any], *, out: int, seed: int) -> None:
    """Assert that library and functions agree, and that an item is independent of its batch."""
    one, two, function = sessions(x.shape[2], seed, make, dtype=x.dtype)
    got, wanted = require_batches_alike(one, two, x), function(x)
    assert got.shape == (*x.shape[:2], out)
    size = max(1.0, float(np.abs(wanted).max()))
    difference = np.abs(got - wanted)
    # Rarely float32 rounds otherwise, and a value becomes the neighbouring code.
    assert np.quantile(difference, 0.9) <= 2e-5 * size
    assert difference.max() <= 0.05 * size


@native
@given(SIZES, some.sampled_from([16, 40, 200]), some.booleans())
@settings(max_examples=25, deadline=None)
def test_linear(sizes: tuple[int, int, int, int], outputs: int, behind_norm: bool) -> None:
    batch, tokens, width, seed = sizes
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)

    make = of_kind("norm linear" if behind_norm else "linear", width, outputs)
    require_equal(make, x, out=outputs, seed=seed)


@native
@given(SIZES)
@settings(max_examples=15, deadline=None)
def test_linear_add(sizes: tuple[int, int, int, int]) -> None:
    batch, tokens, width, seed = sizes
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)
    require_equal(of_kind("linear add", width, width), x, out=width, seed=seed)


@native
@given(SIZES, some.sampled_from([1, 70]))
@settings(max_examples=15, deadline=None)
def test_bytes_linear(sizes: tuple[int, int, int, int], outputs: int) -> None:
    batch, tokens, width, seed = sizes
    pixels = np.random.default_rng(seed + 1).integers(0, 256, (batch, tokens, width))
    make = of_kind("bytes", width, outputs)
    require_equal(make, pixels.astype(np.uint8), out=outputs, seed=seed)


@native
@given(SIZES, some.sampled_from(ACTIVATIONS), some.sampled_from([32, 250]), some.booleans())
@settings(max_examples=25, deadline=None)
def test_mlp_add(
    sizes: tuple[int, int, int, int], activation: Activation, middle: int, behind_norm: bool
) -> None:
    batch, tokens, width, seed = sizes
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)

    kind = "norm mlp" if behind_norm else "mlp"
    make = of_kind(kind, width, middle, activation=activation)
    require_equal(make, x, out=width, seed=seed)


@native
@given(
    some.integers(1, 4),
    some.integers(1, 90),
    some.sampled_from([(1, 64), (3, 64), (4, 72), (2, 16), (4, 8), (2, 18)]),
    some.booleans(),
    some.integers(0, 2**32 - 1),
)
@settings(max_examples=25, deadline=None)
@example(batch=3, tokens=257, shape=(16, 64), causal=False, seed=0)  # an item fills the cache
def test_a_whole_attention(
    batch: int, tokens: int, shape: tuple[int, int], causal: bool, seed: int
) -> None:
    heads, head_width = shape
    width = heads * head_width
    x = normal(np.random.default_rng(seed + 1), batch, tokens, width)
    whole = True

    def make(blocks: Int8Blocks, random: np.random.Generator) -> str:
        qkv = linear(random, width, 3 * width)
        joined = blocks.linear("x", qkv, "joined", norm=norm(random, width))
        attended = blocks.self_attention(joined, heads, causal=causal)
        if not whole:
            attended = blocks.graph.add("Identity", attended)
        total = blocks.linear_add(attended, linear(random, width, width), "x", "mixed")
        assert ("AttentionAdd" in blocks.graph.nodes[-1].op) == (width % 32 == 0 and whole)
        return total

    one, two, function = sessions(width, seed, make)
    got, wanted = require_batches_alike(one, two, x), function(x)
    # Another rounding of bfloat16 or float32 changes codes of the attention's output.
    assert np.abs(got - wanted).mean() <= 0.03
    whole = False
    np.testing.assert_array_equal(sessions(width, seed, make)[0](x), got)


@native
@given(
    some.integers(1, 4),
    some.integers(1, 90),
    some.sampled_from([(1, 64), (3, 64), (2, 72), (4, 16), (2, 20)]),
    some.sampled_from(["self", "causal", "counted", "pooled", "counted pooled"]),
    some.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_attention(batch: int, tokens: int, shape: tuple[int, int], kind: str, seed: int) -> None:
    heads, head_width = shape
    width = heads * head_width
    random = np.random.default_rng(seed)
    x = normal(random, batch, tokens, 3 * width)
    x[..., :width] *= 2 / np.float32(head_width**0.5)
    lengths = random.integers(1, tokens + 1, batch)

    def make(blocks: Int8Blocks, _: np.random.Generator) -> str:
        graph = blocks.graph
        # The counts come from the first number of each item, so that an item may be a batch.
        counts = graph.add(
            "Cast",
            graph.add(
                "ReduceMax",
                graph.add(
                    "Slice", "x", *(graph.constant(v, np.int64) for v in ([0, 0], [1, 1], [1, 2]))
                ),
                graph.constant([1, 2], np.int64),
                keepdims=0,
            ),
            to=7,
        )
        if kind in ("self", "causal"):
            return blocks.self_attention("x", heads, causal=kind == "causal")
        if kind == "counted":
            return blocks.counted_attention("x", heads, counts)
        query, rest = _halves(graph, width)
        return blocks.pooled_attention(query, rest, heads, counts if "counted" in kind else "")

    if "counted" in kind:
        x[:, 0, 0] = lengths
    one, two, function = sessions(3 * width, seed, make)
    got, wanted = require_batches_alike(one, two, x), function(x)
    # On AMX the products are of bfloat16, which has 8 bits.
    np.testing.assert_allclose(got, wanted, atol=0.06 if operators.path() == "amx" else 2e-5)
    assert np.abs(got - wanted).mean() <= (4e-3 if operators.path() == "amx" else 1e-6)


FLOAT_KINDS: Final = (
    "norm", "unit rows", "bytes", "linear", "norm linear", "linear add", "mlp", "norm mlp"
)  # fmt: skip
NEAR: Final = 3e-6
"""Bound on the error, by the largest value: float32 has 6e-8, and a sum some hundred terms."""


@native
@given(SIZES, some.sampled_from([1, 33, 200]), some.sampled_from(FLOAT_KINDS))
@settings(max_examples=60, deadline=None)
def test_all_that_stays_in_float32(
    sizes: tuple[int, int, int, int], outputs: int, kind: str
) -> None:
    batch, tokens, width, seed = sizes
    x: NDArray[Any] = normal(np.random.default_rng(seed + 1), batch, tokens, width)
    if kind == "bytes":
        x = np.abs(x * 90).clip(0, 255).astype(np.uint8)
    ops: list[str] = []

    def make(blocks: Int8Blocks, random: np.random.Generator) -> str:
        activation = ACTIVATIONS[seed % 3]
        bias = kind != "linear add"
        found = of_kind(kind, width, outputs, activation=activation, bias=bias)(blocks, random)
        ops[:] = [node.op for node in blocks.graph.nodes]
        return found

    one, two, function = sessions(width, seed, make, dtype=x.dtype, kept={"it"})
    assert [op.startswith("Float") for op in ops] == [True]
    got, wanted = require_batches_alike(one, two, x), function(x)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=NEAR * max(1.0, np.abs(wanted).max()))


@native
def test_norms_of_two_epsilons_in_one_graph() -> None:
    """The function has its epsilon from the call, as the operator has."""
    large = Norm(scale=np.ones(64, np.float32), bias=np.zeros(64, np.float32), epsilon=9.0)

    def make(blocks: Int8Blocks, random: np.random.Generator) -> str:
        first = blocks.linear("x", linear(random, 64, 64), "first", norm=norm(random, 64))
        both = blocks.norm(blocks.norm(first, large, "large"), norm(random, 64), "small")
        return blocks.linear(both, linear(random, 64, 64), "second", norm=large)

    require_equal(make, normal(np.random.default_rng(1), 2, 5, 64), out=64, seed=0)


def _halves(graph: Graph, width: int) -> tuple[str, str]:
    """Return the first token's query, and all tokens' keys and values."""

    def cut(start: int, end: int, axis: int, tensor: str) -> str:
        bounds = (graph.constant([value], np.int64) for value in (start, end, axis))
        return graph.add("Slice", tensor, *bounds)

    return cut(0, 1, 1, cut(0, width, 2, "x")), cut(width, 3 * width, 2, "x")


@native
def test_a_token_that_is_no_number_spoils_no_other() -> None:
    (one, *_) = sessions(64, 0, of_kind("norm mlp", 64, 128))
    require_tokens_apart(one, normal(np.random.default_rng(0), 1, 33, 64))


@pytest.mark.skipif(operators.path() != "amx", reason="the other path is the one that serves")
def test_the_other_path_too() -> None:
    """A process chooses its path once."""
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TWINLENS_OPERATORS": "avx512vnni"}
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "9 passed" in done.stdout
