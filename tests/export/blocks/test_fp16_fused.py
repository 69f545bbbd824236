"""The fused blocks, in CUDA's operators, which the CPU provider has in float32 too."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens_export.architecture import Linear, Norm
from twinlens_export.blocks.fp16_fused import FusedBlocks
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import MakeBlocks, Mlp
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Graph, ValueInfo
from twinlens_export.graph.prune import drop_unread
from twinlens_export.precision import in_precision
from twinlens_export.towers.tower_graphs import image_graph, text_graph

Array = NDArray[Any]
Embed = Callable[[Array], Array]
Open = Callable[[Graph], Embed]
WIDTH, HEADS, TOKENS = 32, 4, 9
RANDOM = np.random.default_rng(0)


def linear(n_out: int, n_in: int = WIDTH, *, bias: bool = True) -> Linear:
    weight = RANDOM.standard_normal((n_out, n_in)).astype(np.float32) * np.float32(n_in**-0.5)
    return Linear(
        weight=weight, bias=RANDOM.standard_normal(n_out).astype(np.float32) if bias else None
    )


def norm() -> Norm:
    scale = RANDOM.standard_normal(WIDTH).astype(np.float32)
    return Norm(scale=1 + scale / 10, bias=scale / 5, epsilon=1e-5)


def test_a_whole_tower_is_the_same_as_of_float_blocks(
    checkpoint: Checkpoint,
    opened: Open,
    pixels_of: Callable[[Checkpoint], Array],
    ids_of: Callable[[Checkpoint], Array],
) -> None:
    for build, items in (
        (partial(image_graph, checkpoint.image), pixels_of(checkpoint)),
        (partial(text_graph, checkpoint.text), ids_of(checkpoint)),
    ):
        plain = opened(in_precision(build, "fp32"))(items)
        fused = opened(drop_unread(build(FusedBlocks)))(items)
        np.testing.assert_allclose(fused, plain, atol=2e-6, rtol=0)


def test_nothing_is_left_that_cuda_has_whole(checkpoint: Checkpoint) -> None:
    for graph, layers in (
        (in_precision(partial(image_graph, checkpoint.image), "fp16"), checkpoint.image),
        (in_precision(partial(text_graph, checkpoint.text), "fp16"), checkpoint.text),
    ):
        count = len(layers.encoder.layers)
        found = Counter(node.op for node in graph.nodes)
        assert found["Softmax"] == found["Sigmoid"] == 0
        assert (found["Attention"], found["MultiHeadAttention"]) == (count - 1, 1)
        # Two sums a layer; the one before the pooling is not followed by a norm of all tokens.
        assert found["SkipLayerNormalization"] >= 2 * count - 1
        read = {name for node in graph.nodes for name in node.inputs} | {graph.output.name}
        assert all(read.intersection(node.outputs) for node in graph.nodes)
        outputs = [name for node in graph.nodes for name in node.outputs if name]
        assert len(outputs) == len(set(outputs))


def of_blocks(make: MakeBlocks, act: Callable[[Any, str], str]) -> Graph:
    """Build a graph of one block on 9 tokens of 32 bytes an item."""
    pixels = ValueInfo(name="bytes", dtype=np.uint8, shape=("batch", TOKENS, WIDTH))
    out = ValueInfo(name="out", dtype=np.float32, shape=("batch", "tokens", "width"))
    graph = Graph(name="a block", input=pixels, output=out)
    blocks = make(graph)
    tokens = blocks.bytes_linear("bytes", ENTRY, "entry")
    graph.add("Identity", act(blocks, tokens), name="out")
    return drop_unread(graph)


ENTRY = linear(WIDTH)
QKV, KEY_VALUE, QUERY = linear(3 * WIDTH), linear(2 * WIDTH), linear(WIDTH)
COUNTS = np.array([9, 1, 4])


def counts(graph: Graph) -> str:
    """Append the counts: here the first byte of an item; in a text tower they come from its ids."""
    first = graph.add("Cast", "bytes", name="numbers", to=7)
    bounds = [graph.constant(bound, np.int64) for bound in ([0, 0], [1, 1], [1, 2])]
    cut = graph.add("Slice", first, *bounds, name="cut")
    return graph.add("Squeeze", cut, graph.constant([1, 2], np.int64), name="counts")


def mlp(activation: Any, *, bias: bool) -> Mlp:  # noqa: ANN401
    return Mlp(
        norm=NORM,
        fc1=FC1 if bias else Linear(weight=FC1.weight, bias=None),
        activation=activation,
        fc2=FC2 if bias else Linear(weight=FC2.weight, bias=None),
    )


def beside(blocks: Any, total: str) -> str:  # noqa: ANN401
    return blocks.graph.add("Add", total, blocks.norm(total, NORM, "n"), name="both")


def twice(blocks: Any, total: str) -> str:  # noqa: ANN401
    first, second = blocks.norm(total, NORM, "n"), blocks.norm(total, AFTER, "m")
    return blocks.graph.add("Add", first, second, name="both")


NORM, AFTER, FC1, FC2 = norm(), norm(), linear(4 * WIDTH), linear(WIDTH, 4 * WIDTH)
ACTS: dict[str, Callable[[Any, str], str]] = {
    "attention": lambda b, x: b.self_attention(b.linear(x, QKV, "a"), HEADS, causal=False),
    "causal attention": lambda b, x: b.self_attention(
        b.linear(x, QKV, "a", norm=NORM), HEADS, causal=True
    ),
    "counted attention": lambda b, x: b.counted_attention(
        b.linear(x, QKV, "a"), HEADS, counts(b.graph)
    ),
    "pooled attention": lambda b, x: b.pooled_attention(
        b.graph.add("Slice", b.linear(x, QUERY, "q"), *(
            b.graph.constant(bound, np.int64) for bound in ([0], [1], [1])
        )), b.linear(x, KEY_VALUE, "a"), HEADS,
    ),
    "counted pooled attention": lambda b, x: b.pooled_attention(
        b.graph.add("Slice", b.linear(x, QUERY, "q"), *(
            b.graph.constant(bound, np.int64) for bound in ([0], [1], [1])
        )), b.linear(x, KEY_VALUE, "a"), HEADS, counts(b.graph),
    ),
    "a sum and its norm": lambda b, x: b.norm(b.linear_add(x, QUERY, x, "a"), NORM, "n"),
    "a sum without a bias and its norm": lambda b, x: b.norm(
        b.linear_add(x, Linear(weight=QUERY.weight, bias=None), x, "a"), NORM, "n"
    ),
    "a sum that is read beside its norm": lambda b, x: beside(b, b.linear_add(x, QUERY, x, "a")),
    "a sum with two norms": lambda b, x: twice(b, b.linear_add(x, QUERY, x, "a")),
    "a sum alone": lambda b, x: b.linear_add(x, QUERY, x, "a"),
} | {
    f"an mlp with {activation}{'' if bias else ' and no bias'}": (
        lambda b, x, a=activation, w=bias: b.mlp_add(x, mlp(a, bias=w), "a")
    )
    for activation in ("quick_gelu", "gelu", "gelu_tanh")
    for bias in (True, False)
}  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_every_block_is_the_same_as_of_float_blocks(act: str, opened: Open) -> None:
    items = np.random.default_rng(1).integers(0, 5, (3, TOKENS, WIDTH), dtype=np.uint8)
    items[:, 0, 0] = COUNTS
    plain = opened(of_blocks(FloatBlocks, ACTS[act]))(items)
    fused = opened(of_blocks(FusedBlocks, ACTS[act]))(items)
    # FastGelu is the tanh form; CUDA's uses another polynomial.
    np.testing.assert_allclose(fused, plain, atol=2e-4 if "tanh" in act else 2e-5, rtol=0)
    assert np.ptp(plain) > 0.5
