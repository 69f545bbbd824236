"""Graphs that do not fit the native operators: an error, no signal."""

import re
from typing import Any, Final

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from twinlens_export.graph.bf16 import rounded
from twinlens_export.graph.graph import embedded
from twinlens_kernels import operators

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.skipif(
    operators.path() is None, reason="this processor, or this installation, has no native operators"
)
Array = NDArray[Any]
WIDTH: Final = 64


def floats(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def coded(inputs: int, outputs: int, name: str = "") -> dict[str, Array]:
    sides = (-(-outputs // 16), -(-inputs // 64), 16, 16, 4)
    return {
        f"codes{name}": np.ones(sides, np.int8),
        f"scales{name}": floats(outputs),
        f"bias{name}": floats(outputs),
    }


def packed(inputs: int, outputs: int, name: str = "") -> dict[str, Array]:
    """Return a float32 weight, as `coded` returns one in int8."""
    sides = (-(-outputs // 32), inputs, 32)
    return {f"weights{name}": floats(*sides), f"bias{name}": floats(outputs)}


def shortened(inputs: int, outputs: int, name: str = "") -> dict[str, Array]:
    """Return a bfloat16 weight, as `coded` returns one in int8."""
    weights = rounded(floats(-(-outputs // 32), -(-inputs // 2), 32, 2))
    return {f"weights{name}": weights, f"bias{name}": floats(outputs)}


def norm(width: int) -> dict[str, Array]:
    return {"norm scale": floats(width), "norm bias": floats(width)}


def node(name: str) -> tuple[dict[str, Array], dict[str, Array], dict[str, Any]]:
    """Return the stored inputs, the fed inputs and the attributes of a sound operator."""
    x = {"x": floats(2, 3, WIDTH)}
    prefix = next((prefix for prefix in WEIGHTS if prefix and name.startswith(prefix)), "")
    kind, weight = name.removeprefix(prefix), WEIGHTS[prefix]
    heads, sizes = {"heads": 2}, {"inputs": WIDTH}
    normed = norm(WIDTH) if kind.startswith("Norm") else {}
    epsilon = {"epsilon": 1e-5} if normed else {}
    if kind == "UnitRows":
        return {}, x, {}
    if kind == "Norm":
        return normed, x, {**sizes, **epsilon}
    if kind.endswith("MlpAdd"):
        stored = {**normed, **weight(WIDTH, 96, "1"), **weight(96, WIDTH, "2")}
        return stored, x, {**sizes, "middle": 96, "activation": "gelu", **epsilon}
    if kind.endswith("AttentionAdd"):
        stored = {**normed, **weight(WIDTH, 3 * WIDTH, "1"), **weight(WIDTH, WIDTH, "2")}
        return stored, x, {**sizes, "middle": WIDTH, **heads, **epsilon}
    if kind.endswith("Linear") or kind == "LinearAdd":
        if kind == "BytesLinear":
            x = {"x": np.ones((2, 3, WIDTH), np.uint8)}
        # One more than the outputs that lie together: one less then needs another weight.
        outputs = 32 if weight is coded else 33
        residual = {"residual": floats(2, 3, outputs)} if kind == "LinearAdd" else {}
        return {**normed, **weight(WIDTH, outputs)}, x | residual, {**sizes, **epsilon}
    fed = {"x": floats(2, 3, 3 * WIDTH)}
    if "Pooled" in kind:
        fed = {"x": floats(2, 1, WIDTH), "pairs": floats(2, 3, 2 * WIDTH)}
    if "Counted" in kind:
        fed["counts"] = np.full(2, 3)
    return {}, fed, heads


WEIGHTS: Final = {"": coded, "Float": packed, "Bf16": shortened}
"""Weights by the prefix of an operator's name."""
KINDS: Final = (
    "BytesLinear", "Linear", "NormLinear", "LinearAdd", "MlpAdd", "NormMlpAdd",
    "NormSelfAttentionAdd", "NormCausalAttentionAdd", "SelfAttention", "CausalAttention",
    "CountedAttention", "PooledAttention", "CountedPooledAttention",
)  # fmt: skip
NAMES: Final = (
    *(f"{prefix}{kind}" for prefix in ("", "Float") for kind in KINDS),
    *("FloatNorm", "FloatUnitRows"),
    *(f"Bf16{kind}" for kind in KINDS if "Linear" in kind or kind.endswith("Add")),
)
SIZED: Final = tuple(name for name in NAMES if "inputs" in node(name)[2])
"""Operators whose stored arrays have a width."""


def rows(name: str, changed: dict[str, Any], *, threads: str = "2") -> Array:
    """Return the output of an operator of which some inputs and attributes are changed."""
    stored, fed, attributes = (
        {key: changed.get(key, value) for key, value in part.items()} for part in node(name)
    )
    first, *others = fed
    made = helper.make_node(name, [first, *stored, *others], ["y"], domain="twinlens")
    made.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    inputs = [
        helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(array.dtype), None)
        for key, array in fed.items()
    ]
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    arrays = [embedded(key, array) for key, array in stored.items()]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("twinlens", 1)]
    graph = helper.make_graph([made], "g", inputs, [output], arrays)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 4
    options.add_session_config_entry("twinlens.threads", threads)
    options.register_custom_ops_library(str(operators.library()))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, fed)[0])


def require_refusal(name: str, changed: dict[str, Any], message: str, **more: str) -> None:
    with pytest.raises(Exception, match=re.escape(message)) as caught:
        rows(name, changed, **more)
    assert type(caught.value).__module__.startswith("onnxruntime")


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_gives_no_rows(name: str, threads: str) -> None:
    _, fed, _ = node(name)
    whole = rows(name, {}, threads=threads)
    empty = {key: array[:0] for key, array in fed.items()}
    assert rows(name, empty, threads=threads).shape == (0, *whole.shape[1:])


def test_a_part_beyond_the_last_rows() -> None:
    """A hidden layer of 8192 lets a part have 32 rows: two threads take 8 parts of 7 tiles."""
    changed = {**coded(WIDTH, 8192, "1"), **coded(8192, WIDTH, "2"), "middle": 8192}
    x = np.random.default_rng(0).normal(size=(194, WIDTH)).astype(np.float32)
    one = rows("MlpAdd", {**changed, "x": x}, threads="1")
    np.testing.assert_array_equal(rows("MlpAdd", {**changed, "x": x}), one)


@pytest.mark.parametrize("name", [name for name in NAMES if "Attention" in name])
@pytest.mark.parametrize("heads", [0, -1, -(2**63), 2**63 - 1, 7])
def test_heads(name: str, heads: int) -> None:
    with pytest.raises(Exception, match=rf"twinlens\.{name}: .*heads"):
        rows(name, {"heads": heads})


@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("inputs", [0, -5, 65_537, 2**63 - 1])
def test_inputs(name: str, inputs: int) -> None:
    require_refusal(
        name, {"inputs": inputs}, f"{name}: attribute inputs is {inputs}, wanted 1 to 65536"
    )


@pytest.mark.parametrize("name", SIZED)
def test_stored_arrays_of_another_shape(name: str) -> None:
    for key, array in node(name)[0].items():
        # The scales of codes, and the bias of other weights, say how many outputs there are: the
        # array beside them may be the one that does not fit.
        known = {"scales": "(scales|bias)"} | (
            {"bias": "(bias|weights)"} if name.startswith(("Float", "Bf16")) else {}
        )
        role = known.get(key.rstrip("12"), key.rstrip("12"))
        others = [array[:0], array[None][:0], array[:-1], np.concatenate([array, array])]
        for other in others:
            wanted = rf"twinlens\.{name}: input \d \({role}\) is of shape .*, wanted \["
            with pytest.raises(Exception, match=wanted):
                rows(name, {key: other})


@pytest.mark.parametrize("middle", [0, -1, 2**62])
def test_middle(middle: int) -> None:
    message = f"MlpAdd: attribute middle is {middle}, wanted 1 to 65536"
    require_refusal("MlpAdd", {"middle": middle}, message)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        (
            "Linear",
            {"x": np.float32(1)},
            "Linear: input 0 (tokens) is of shape [], wanted [..., 64]",
        ),
        ("BytesLinear", {"x": np.ones((3, 63), np.uint8)}, "[3, 63], wanted [..., 64]"),
        ("LinearAdd", {"residual": floats(6, 32)}, "input 4 (residual) is of shape [6, 32]"),
        ("LinearAdd", {"residual": floats(2, 4, 32)}, "[2, 4, 32], wanted [2, 3, 32]"),
        ("NormSelfAttentionAdd", {"x": floats(6, 64)}, "[6, 64], wanted [batch, tokens, 64]"),
        ("SelfAttention", {"x": floats(6, 192)}, "[6, 192], wanted [batch, tokens, "),
        ("SelfAttention", {"x": floats(2, 3, 0)}, "[2, 3, 0], wanted [batch, tokens, "),
        ("PooledAttention", {"x": floats(2, 2, 64)}, "input 0 (queries) is of shape [2, 2, 64]"),
        ("CountedAttention", {"counts": np.full(3, 1)}, "input 1 (counts) is of shape [3]"),
        ("MlpAdd", {"activation": "relu\n" + "x" * 999}, f'is "relu?{"x" * 75}...", wanted quick'),
        ("NormLinear", {"epsilon": float("nan")}, "attribute epsilon is"),
        ("NormMlpAdd", {"epsilon": -1.0}, "attribute epsilon is -1.0"),
        ("NormMlpAdd", {"epsilon": float("inf")}, "attribute epsilon is inf"),
        ("FloatNorm", {"epsilon": float("nan")}, "attribute epsilon is"),
        ("FloatNorm", {"x": floats(3, 63)}, "[3, 63], wanted [..., 64]"),
        ("FloatNorm", {"x": np.float32(1)}, "input 0 (tokens) is of shape [], wanted [..., 64]"),
        ("FloatUnitRows", {"x": np.float32(1)}, "input 0 (rows) is of shape [], wanted [..., "),
    ],
)
def test_refusals(name: str, changed: dict[str, Any], message: str) -> None:
    changed = {key: np.asarray(v) if isinstance(v, np.float32) else v for key, v in changed.items()}
    require_refusal(name, changed, message)


@pytest.mark.parametrize("threads", ["", "abc", "1.5", "0", "-7", "9" * 99, "2 "])
def test_threads_that_are_none(threads: str) -> None:
    told = threads if len(threads) <= 80 else f"{threads[:80]}..."
    require_refusal("Linear", {}, f'twinlens.threads is "{told}', threads=threads)


@pytest.mark.parametrize("name", ["Linear", "MlpAdd", "SelfAttention", "NormSelfAttentionAdd"])
def test_threads_far_above_the_cores(name: str) -> None:
    np.testing.assert_array_equal(rows(name, {}, threads="2000000000"), rows(name, {}, threads="1"))


@pytest.mark.parametrize("name", ["CountedAttention", "CountedPooledAttention"])
def test_counts_beyond_the_tokens(name: str) -> None:
    """A negative count is none, one beyond the tokens all of them."""
    got = rows(name, {"counts": np.array([-(2**63), 2**63 - 1])})
    np.testing.assert_array_equal(got, rows(name, {"counts": np.array([0, 3])}))
    assert not got[0].any()


def test_the_widest_layer() -> None:
    """Sums of 65,536 products of the largest codes and weights fit into int32."""
    wide = 65_536
    changed = {**coded(wide, 16), "inputs": wide, "x": np.full((1, wide), 255, np.uint8)}
    changed |= {"codes": np.full_like(changed["codes"], -128), "bias": np.zeros(16, np.float32)}
    changed["scales"] = floats(16)
    np.testing.assert_array_equal(rows("BytesLinear", changed), [[-127 * 128 * wide] * 16])
