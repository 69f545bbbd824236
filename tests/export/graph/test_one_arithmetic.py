"""Graphs of which native operators take every sum."""

from collections.abc import Callable

import numpy as np
import pytest

from twinlens_export.blocks.bf16 import Bf16Blocks
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.blocks.interface import MakeBlocks
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Graph, ValueInfo
from twinlens_export.graph.one_arithmetic import has_one_arithmetic
from twinlens_export.towers.tower_graphs import image_graph, text_graph


def kept(graph: Graph) -> Int8Blocks:
    """Keep some of every kind of block in float32."""
    names = ("patches", "words", "query_key_value", "mixed", "mlp", "query", "key_value")
    return Int8Blocks(graph, {f"layers.{n}.{name}" for n in range(2) for name in names} | {*names})


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        (Bf16Blocks, True),
        (Int8Blocks, True),
        (kept, True),
        (NativeFloatBlocks, True),
        (FloatBlocks, False),
    ],
)
def test_towers(blocks: MakeBlocks, found: bool, checkpoint: Checkpoint) -> None:
    for graph in (image_graph(checkpoint.image, blocks), text_graph(checkpoint.text, blocks)):
        assert has_one_arithmetic(graph) is found


@pytest.mark.parametrize(
    ("append", "found"),
    [
        (lambda graph: graph.add("Mul", "x", "x"), True),
        (lambda graph: graph.add("FloatUnitRows", "x"), True),
        (lambda graph: graph.add("ReduceSum", graph.add("Cast", "x", to=7)), True),
        (lambda graph: graph.add("ReduceSum", graph.add("Cast", "x", to=1)), False),
        (lambda graph: graph.add("ReduceSum", "x"), False),
        (lambda graph: graph.add("Exp", "x"), False),
        (lambda graph: graph.add("LayerNormalization", "x"), False),
    ],
)
def test_operators(append: Callable[[Graph], str], found: bool) -> None:
    value = ValueInfo(name="x", dtype=np.float32, shape=("batch", 4))
    graph = Graph(name="g", input=value, output=value)
    append(graph)
    assert has_one_arithmetic(graph) is found
