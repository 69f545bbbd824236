"""The blocks in bf16: numbers as torch rounds them, storage, and operators against functions."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray
from one_block import graph_of, of_kind, require_batches_alike, require_tokens_apart, served
from random_layers import linear, norm, normal

from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.ort.session_options import CpuMemory
from twinlens.ort.weights.external_tensors import external_tensors
from twinlens_export.architecture import Activation
from twinlens_export.blocks.bf16 import Bf16Blocks, packed
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph import graph as graphs
from twinlens_export.graph.bf16 import BF16, rounded, widened
from twinlens_export.graph.graph import Graph, ValueInfo, save
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_kernels import operators

native = pytest.mark.skipif(
    operators.path() is None, reason="this processor, or this installation, has no native operators"
)
Array = NDArray[Any]
ACTIVATIONS: Final[list[Activation]] = ["quick_gelu", "gelu", "gelu_tanh"]
KINDS: Final = ("bytes", "linear", "norm linear", "linear add", "mlp", "norm mlp", "attention")


@given(some.lists(some.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
@example([1.00390625, 1.01171875, 3.4e38, -0.0, 1e-40])  # two ties, the largest, and below 2^-126
def test_numbers_are_rounded_as_torch_rounds_them(numbers: list[float]) -> None:
    array = np.array(numbers, np.float32)
    wanted = torch.from_numpy(array).to(torch.bfloat16).to(torch.float32).numpy()
    tiny = np.abs(array) < 2.0**-126
    np.testing.assert_array_equal(widened(rounded(array)), np.where(tiny, 0, wanted))


@given(some.integers(1, 70), some.integers(1, 9))
def test_packed_weights_are_where_they_are_said_to_be(outputs: int, inputs: int) -> None:
    weight = normal(np.random.default_rng(0), outputs, inputs)
    pairs = widened(packed(rounded(weight)))
    assert pairs.shape == (-(-outputs // 32), -(-inputs // 2), 32, 2)
    wanted = widened(rounded(weight))
    for row, column in ((0, 0), (outputs - 1, inputs - 1), (outputs // 2, inputs // 3)):
        assert pairs[row // 32, column // 2, row % 32, column % 2] == wanted[row, column]
    assert (pairs != 0).sum() == (wanted != 0).sum()


def test_weights_are_stored_once_as_bfloat16(checkpoint: Checkpoint) -> None:
    for build, tower in ((image_graph, checkpoint.image), (text_graph, checkpoint.text)):
        small, large = build(tower, Bf16Blocks), build(tower)
        floats = sum(array.nbytes for array in large.weights.values())
        assert sum(array.nbytes for array in small.weights.values()) < 0.6 * floats
        inside = {name for name, array in small.weights.items() if array.ndim > 1}
        others = {name for name in inside if small.weights[name].dtype != BF16}
        assert {name.partition(".")[0] for name in others} <= {"projection", "positions"}


@native
@given(
    some.tuples(some.integers(1, 5), some.integers(1, 40), some.sampled_from([8, 61, 64, 192])),
    some.sampled_from([1, 33, 200]),
    some.sampled_from(KINDS),
    some.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_operators_and_functions_agree(
    sides: tuple[int, int, int], outputs: int, kind: str, seed: int
) -> None:
    width = 64 if kind == "attention" else sides[2]
    x: Array = normal(np.random.default_rng(seed + 1), *sides[:2], width)
    if kind == "bytes":
        x = np.abs(x * 90).clip(0, 255).astype(np.uint8)

    def attention(blocks: Bf16Blocks, random: np.random.Generator) -> str:
        qkv = linear(random, width, 3 * width)
        joined = blocks.linear("x", qkv, "joined", norm=norm(random, width))
        attended = blocks.self_attention(joined, 2, causal=bool(seed % 2))
        return blocks.linear_add(attended, linear(random, width, width), "x", "mixed")

    activation = ACTIVATIONS[seed % 3]
    other = of_kind(kind, width, outputs, activation=activation, bias=kind != "linear add")
    make = attention if kind == "attention" else other
    one, two, function = served(graph_of(Bf16Blocks, width, seed, make, x.dtype))
    got, wanted = require_batches_alike(one, two, x), function(x)
    # Seldom float32 rounds otherwise, and a number becomes the neighbouring bfloat16.
    difference, size = np.abs(got - wanted), max(1.0, float(np.abs(wanted).max()))
    assert np.quantile(difference, 0.5) <= 2e-6 * size
    assert difference.max() <= 0.01 * size


@native
def test_weights_are_mapped_for_all_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "LARGEST_EMBEDDED_BYTES", 0)
    x = normal(np.random.default_rng(0), 2, 3, 64)
    graph = Graph(
        name="block",
        input=ValueInfo(name="x", dtype=x.dtype, shape=("batch", "tokens", 64)),
        output=ValueInfo(name="y", dtype=np.float32, shape=("batch", "tokens", 96)),
    )
    layer = linear(np.random.default_rng(1), 64, 96)
    graph.add("Identity", Bf16Blocks(graph).linear("x", layer, "it"), name="y")
    path, beside = save(graph, tmp_path / "block.onnx")
    (weight, *_) = external_tensors(path.read_bytes()).values()
    assert (weight.kind, weight.shape) == (16, (3, 32, 32, 2))
    rows = []
    for shared in (False, True):
        memory = CpuMemory(shared=shared)
        session = Session(path, device=CPU, threads=1, name="it", memory=memory, beside=[beside])
        rows.append(session.run({"x": x}, "y"))
    np.testing.assert_array_equal(*rows)


@native
def test_a_token_that_is_no_number_spoils_no_other() -> None:
    make = of_kind("norm mlp", 64, 127)
    (one, *_) = served(graph_of(Bf16Blocks, 64, 0, make))
    require_tokens_apart(one, normal(np.random.default_rng(0), 1, 33, 64))
