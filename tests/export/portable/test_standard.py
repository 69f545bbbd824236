"""Standard operators in the place of Microsoft's, beside onnxruntime's own kernels of those."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from twinlens_export.graph.graph import MICROSOFT_OPS, Graph, ValueInfo, save
from twinlens_export.portable.standard import REWRITES, to_standard

Array = NDArray[Any]
WIDTH, TOKENS, HEADS = 24, 7, 3
RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def graph_of(shape: tuple[int | str, ...]) -> Graph:
    """A graph that takes `x`; its nodes are still to come."""
    return Graph(
        name="one operator",
        input=ValueInfo(name="x", dtype=np.float32, shape=shape),
        output=ValueInfo(name="y", dtype=np.float32, shape=("batch", "tokens", "width")),
    )


def tokens_graph() -> Graph:
    return graph_of(("batch", "tokens", WIDTH))


def unary(op: str, **attributes: float) -> Callable[[], Graph]:
    def make() -> Graph:
        graph = tokens_graph()
        more = () if attributes else (graph.weight("bias", floats(WIDTH)),)
        graph.add(op, "x", *more, name="y", **attributes)
        return graph

    return make


def skip_norm(*, biased: bool) -> Callable[[], Graph]:
    def make() -> Graph:
        graph = tokens_graph()
        skip = graph.add("Mul", "x", "x")
        weights = [graph.weight(name, floats(WIDTH)) for name in ("scale", "shift", "bias")]
        given = ("x", skip, *weights[: 3 if biased else 2])
        graph.add("SkipLayerNormalization", *given, name="normed", epsilon=1e-5)
        node = graph.nodes[-1]
        graph.nodes[-1] = type(node)(
            op=node.op, name=node.name, inputs=node.inputs,
            outputs=("normed", "", "", "total"), attributes=node.attributes,
        )  # fmt: skip
        graph.add("Add", "normed", "total", name="y")
        return graph

    return make


def attention(*, causal: bool, counted: bool) -> Callable[[], Graph]:
    def make() -> Graph:
        graph = tokens_graph()
        tokens = "x"
        counts = [graph.weight("counts", np.array([TOKENS, 2], np.int32))] if counted else []
        for layer in range(2):  # two layers share one mask
            weight = graph.weight(f"weight.{layer}", floats(WIDTH, 3 * WIDTH) / 5)
            bias = graph.weight(f"bias.{layer}", floats(3 * WIDTH))
            name = "y" if layer else "first"
            options = {"num_heads": HEADS, "unidirectional": int(causal), "scale": 1.0}
            tokens = graph.add("Attention", tokens, weight, bias, *counts, name=name, **options)
        return graph

    return make


def pooled_attention(*, counted: bool) -> Callable[[], Graph]:
    def make() -> Graph:
        graph = tokens_graph()
        bounds = [graph.constant([bound], np.int64) for bound in (0, 1, 1)]
        query = graph.add("Slice", "x", *bounds)
        value = graph.add("Mul", "x", "x")
        more = ("", graph.weight("counts", np.array([TOKENS, 2], np.int32))) if counted else ()
        options = {"num_heads": HEADS, "scale": 1.0}
        graph.add("MultiHeadAttention", query, "x", value, *more, name="y", **options)
        return graph

    return make


CASES: dict[str, Callable[[], Graph]] = {
    "QuickGelu": unary("QuickGelu", alpha=1.702),
    "BiasGelu": unary("BiasGelu"),
    "FastGelu": unary("FastGelu"),
    "SkipLayerNormalization": skip_norm(biased=True),
    "SkipLayerNormalization without a bias": skip_norm(biased=False),
    "Attention": attention(causal=False, counted=False),
    "Attention, causal": attention(causal=True, counted=False),
    "Attention, counted": attention(causal=False, counted=True),
    "MultiHeadAttention": pooled_attention(counted=False),
    "MultiHeadAttention, counted": pooled_attention(counted=True),
}


def test_every_operator_of_microsofts_has_a_case_and_a_rewrite() -> None:
    assert set(REWRITES) == set(MICROSOFT_OPS)
    assert {name.split(",")[0].split(" ")[0] for name in CASES} == set(MICROSOFT_OPS)


@pytest.mark.parametrize("case", CASES)
def test_standard_operators_compute_what_onnxruntimes_own_do(case: str, tmp_path: Path) -> None:
    graph = CASES[case]()
    paths = tmp_path / "own.onnx", tmp_path / "standard.onnx"
    save(graph, paths[0])
    save(to_standard(graph), paths[1])
    model = onnx.load(paths[1])
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 20)]
    x = floats(2, TOKENS, WIDTH)
    wanted, got = (onnxruntime.InferenceSession(path).run(None, {"x": x})[0] for path in paths)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5)
