"""Damaged graphs of the native operators: whole int8 towers, and graphs of one node."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

DOMAIN: Final = "twinlens"
KINDS: Final = (
    "BytesLinear", "Linear", "NormLinear", "LinearAdd", "MlpAdd", "NormMlpAdd",
    "NormSelfAttentionAdd", "NormCausalAttentionAdd", "SelfAttention", "CausalAttention",
    "CountedAttention", "PooledAttention", "CountedPooledAttention",
)  # fmt: skip
FLOAT, BF16 = "Float", "Bf16"
"""Prefixes of the operators of float32 and of bf16."""
OPERATORS: Final = (
    *(f"{prefix}{kind}" for prefix in ("", FLOAT, BF16) for kind in KINDS),
    *(f"{FLOAT}{kind}" for kind in ("Norm", "UnitRows")),
)
INTEGERS: Final = (
    0, -1, 1, 2, 3, 5, 7, 8, 16, 63, 64, 65, 192, 193, 768, 2**31 - 1, 2**31, -(2**31), 2**32,
    2**62, 2**63 - 1, -(2**63), -(2**63) + 1,
)  # fmt: skip
FLOATS: Final = (0.0, -1.0, 1e-45, 1e38, -1e38, math.nan, math.inf, -math.inf, 1e-5)
STRINGS: Final = (
    "",
    "gelu",
    "quick_gelu",
    "gelu_tanh",
    "none",
    "GELU",
    "gelu\0",
    "x" * 10_000,
    "é",
)
THREADS: Final = (
    "1", "2", "2", "3", "0", "-7", "", "abc", "1.5", "99999999999999999999", "2000000000",
    "-2147483648", "4294967297",
)  # fmt: skip
"""Values of the session's "twinlens.threads"."""
SIDES: Final = (0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 128, 192, 200, 1024, 2048)
"""Widths of one-node graphs."""
WIDEST: Final = 5000
"""Width of a bare attention, and so of its one head."""

RESIZED: Final = ", resized"

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One program with the arrays that it is fed."""

    damage: str
    program: bytes
    feeds: dict[str, Array]
    threads: str = "1"
    unfit: str = ""
    """Stored array that is shorter or longer than its operator needs."""


@dataclass(slots=True)
class Node:
    """Operator with its attributes, its stored inputs and the shapes of the others."""

    name: str
    attributes: dict[str, Any]
    stored: list[Array] = field(default_factory=list)
    fed: list[Array] = field(default_factory=list)
    """x, and the last of the inputs: a residual, counts, keys with values."""


def drawn(rng: random.Random, tower: Callable[[str], bytes]) -> Graph:
    """Return a damaged graph: of one node, or a whole tower of which tower(name) gives the file."""
    return one_node(rng) if rng.random() < 0.6 else damaged_tower(rng, tower)


Weight = Callable[[int, int], list[Array]]


def coded(inputs: int, outputs: int) -> list[Array]:
    """Return codes, scales and bias of a linear layer, as the operators of int8 take them."""
    sides = (-(-outputs // 16), -(-inputs // 64), 16, 16, 4)
    return [
        np.resize(np.arange(-127, 128, dtype=np.int8), sides),
        np.full(outputs, 0.01, np.float32),
        np.zeros(outputs, np.float32),
    ]


def packed(inputs: int, outputs: int) -> list[Array]:
    """Return weights and bias of a linear layer, as the operators of float32 take them."""
    sides = (-(-outputs // 32), inputs, 32)
    return [np.full(sides, 0.01, np.float32), np.zeros(outputs, np.float32)]


def shortened(inputs: int, outputs: int) -> list[Array]:
    """Return weights, the bits of bfloat16, and bias of a layer, as the operators of bf16 do."""
    sides = (-(-outputs // 32), -(-inputs // 2), 32, 2)
    return [np.full(sides, 0x3C24, np.uint16), np.zeros(outputs, np.float32)]


def prefix_of(name: str) -> str:
    """Return the prefix of an operator's name, "" for int8."""
    return next((prefix for prefix in (FLOAT, BF16) if name.startswith(prefix)), "")


def weight_of(name: str) -> Weight:
    """Return the maker of an operator's weights."""
    return {"": coded, FLOAT: packed, BF16: shortened}[prefix_of(name)]


def norm(width: int) -> list[Array]:
    """Return scale and bias of a layer norm."""
    return [np.ones(width, np.float32), np.zeros(width, np.float32)]


def sound(name: str, rng: random.Random) -> Node:
    """Return an operator whose parts fit, of random sides."""
    width, out = rng.choice((32, 64, 96, 192)), rng.choice((16, 32, 48, 200))
    batch, tokens = rng.choice((1, 2, 5)), rng.choice((1, 4, 33, 70))
    x = np.linspace(-1, 1, batch * tokens * width, dtype=np.float32).reshape(batch, tokens, width)
    kind, weight = name.removeprefix(prefix_of(name)), weight_of(name)
    if kind.endswith("Attention"):
        return _attention(name, x, heads=rng.choice((1, 2)))
    if kind == "UnitRows":
        return Node(name, {}, [], [x])
    attributes: dict[str, Any] = {"inputs": width}
    weights = [] if kind == "Norm" else weight(width, out)
    if kind.endswith("MlpAdd"):
        attributes |= {"middle": out, "activation": "gelu"}
        weights += weight(out, width)
    elif kind.endswith("AttentionAdd"):
        attributes |= {"middle": width, "heads": rng.choice((1, 2))}
        weights = weight(width, 3 * width) + weight(width, width)
    if kind.startswith("Norm"):
        attributes["epsilon"] = 1e-5
        weights = norm(width) + weights
    fed: list[Array] = [(x * 100 + 100).astype(np.uint8) if kind == "BytesLinear" else x]
    if kind == "LinearAdd":
        fed.append(np.zeros((batch, tokens, out), np.float32))
    return Node(name, attributes, weights, fed)


def _attention(name: str, x: Array, *, heads: int) -> Node:
    batch, tokens, width = x.shape
    fed = [np.tile(x, (1, 1, 3))]
    if "Pooled" in name:
        fed = [x[:, :1], fed[0][:, :, : 2 * width]]
    if "Counted" in name:
        fed.append(np.full(batch, tokens, np.int64))
    return Node(name, {"heads": heads}, [], fed)


def one_node(rng: random.Random) -> Graph:
    """Return a graph of one operator with one to three kinds of damage."""
    node = sound(rng.choice(OPERATORS), rng)
    damage = []
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        way = rng.choice(("attribute", "attribute", "stored", "stored", "fed", "consistent"))
        if way == "attribute":
            damage.append(_hostile_attribute(node.attributes, rng))
        elif way == "stored" and node.stored:
            place = rng.randrange(len(node.stored))
            node.stored[place] = hostile_array(node.stored[place], rng)
            damage.append(f"stored {place}")
        elif way == "consistent":
            damage.append(_hostile_sides(node, rng))
        else:
            place = rng.randrange(len(node.fed))
            node.fed[place] = hostile_array(node.fed[place], rng)
            damage.append(f"fed {place}")
    names = [f"stored{n}" for n in range(len(node.stored))]
    program, feeds = _program(node, names)
    told = f"{node.name}: {', '.join(damage) or 'none'}"
    threads = rng.choice(THREADS)
    return Graph(damage=told, program=program, feeds=feeds, threads=threads, unfit=unfit(node))


def unfit(node: Node) -> str:
    """Return the first stored array of a node whose length is wrong by its attributes."""
    widths = [node.attributes.get(name) for name in ("inputs", "middle")]
    sizes = [array.size for array in node.stored]
    prefix = prefix_of(node.name)
    normed = node.name.removeprefix(prefix).startswith("Norm")
    if normed and isinstance(widths[0], int) and sizes[:2] != [widths[0]] * 2:
        return "norm"
    parts = 2 if prefix else 3
    for start, width in zip(range(2 * normed, len(sizes), parts), widths, strict=False):
        stored, *outputs = sizes[start : start + parts]
        if len(set(outputs)) > 1:
            return "bias"
        if isinstance(width, int) and stored != stored_size(width, outputs[0], prefix):
            return "weight"
    return ""


def stored_size(inputs: int, outputs: int, prefix: str) -> int:
    """Return how many numbers a weight has where it is stored, padded to whole blocks."""
    if prefix:
        return -(-outputs // 32) * 32 * (inputs if prefix == FLOAT else inputs + inputs % 2)
    return -(-outputs // 16) * -(-inputs // 64) * 1024


def _program(node: Node, names: list[str]) -> tuple[bytes, dict[str, Array]]:
    fed = {"x": node.fed[0], **{f"fed{n}": array for n, array in enumerate(node.fed[1:], 1)}}
    # Keys with values stand behind the query; a residual or counts stand last.
    inputs = ["x", *names, *list(fed)[1:]]
    made = helper.make_node(node.name, inputs, ["y"], domain=DOMAIN)
    for name, value in node.attributes.items():
        made.attribute.append(helper.make_attribute(name, value))
    values = [_value_info(name, array) for name, array in fed.items()]
    stored = [_tensor(name, array) for name, array in zip(names, node.stored, strict=True)]
    rows = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([made], "g", values, [rows], stored)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return model.SerializeToString(), fed


def _tensor(name: str, array: Array) -> onnx.TensorProto:
    if array.dtype == np.uint16:  # of `shortened`
        content = array.tobytes()
        return helper.make_tensor(name, TensorProto.BFLOAT16, array.shape, content, raw=True)
    return numpy_helper.from_array(array, name)


def _value_info(name: str, array: Array) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, None)


def _hostile_attribute(attributes: dict[str, Any], rng: random.Random) -> str:
    if not attributes:
        return "no attribute is left"
    name = rng.choice(sorted(attributes))
    old, way = attributes[name], rng.randrange(8)
    if way == 0:
        del attributes[name]
    elif way == 1:
        attributes[name] = rng.choice((1, 1.0, "1", [1, 2]))
    elif isinstance(old, str):
        attributes[name] = rng.choice(STRINGS)
    elif isinstance(old, float):
        attributes[name] = rng.choice(FLOATS)
    else:
        attributes[name] = rng.choice(INTEGERS)
    return name


def _hostile_sides(node: Node, rng: random.Random) -> str:
    """Give an operator other sides that fit each other, the norm's or the bias's aside."""
    inputs, outputs = rng.choice(SIDES), rng.choice(SIDES)
    tokens = np.ones((2, rng.choice((0, 1, 3)), inputs), np.float32)
    kind, weight = node.name.removeprefix(prefix_of(node.name)), weight_of(node.name)
    if kind in ("Linear", "NormLinear"):
        node.attributes["inputs"] = inputs
        first = norm(rng.choice((inputs, 0, 1, 16))) if kind == "NormLinear" else []
        node.stored, node.fed = first + weight(inputs, outputs), [tokens]
    elif kind == "Norm":
        node.attributes["inputs"] = inputs
        node.stored, node.fed = norm(rng.choice((inputs, 0, 1, 16))), [tokens]
    elif kind == "UnitRows":
        node.fed = [tokens]
    elif kind == "NormMlpAdd":
        node.attributes |= {"inputs": inputs, "middle": outputs}
        first = norm(rng.choice((inputs, 0, 1, 16)))
        node.stored = first + weight(inputs, outputs) + weight(outputs, inputs)
        node.fed = [tokens]
    elif kind.endswith("AttentionAdd"):
        node.attributes |= {"inputs": inputs, "middle": inputs}
        first = norm(rng.choice((inputs, 0, 1, 16)))
        node.stored = first + weight(inputs, 3 * inputs) + weight(inputs, inputs)
        node.fed = [tokens]
    elif "Attention" in kind and "Pooled" not in kind:
        wide = rng.choice((inputs, inputs, WIDEST))
        node.fed[0] = np.ones((2, rng.choice((0, 1, 3)), 3 * wide), np.float32)
    return f"sides {inputs}, {outputs}"


def hostile_array(array: Array, rng: random.Random) -> Array:
    """Return an array with another shape, another dtype or other values."""
    if rng.random() < 0.6:
        return np.ascontiguousarray(rng.choice(RESHAPES)(array))
    if rng.random() < 0.25:
        with np.errstate(invalid="ignore"):
            return array.astype(rng.choice((np.float32, np.float64, np.int8, np.uint8, np.int64)))
    extreme = _extreme(array.dtype, rng)
    if rng.random() < 0.5:
        return np.full_like(array, extreme)
    changed = array.copy()
    if changed.size:
        changed.reshape(-1)[rng.randrange(changed.size)] = extreme
    return changed


RESHAPES: Final[tuple[Callable[[Array], Array], ...]] = (
    lambda array: array[..., :-1] if array.ndim else array,
    lambda array: array[:-1] if array.ndim else array,
    lambda array: np.zeros((0, *array.shape[1:]), array.dtype),
    lambda array: np.zeros((*array.shape[:-1], 0), array.dtype),
    lambda array: np.zeros((0, *array.shape), array.dtype),
    lambda array: np.array(1, array.dtype),
    lambda array: array[None],
    lambda array: array.reshape(-1),
    lambda array: array.T,
)
"""Changes of a shape."""


def _extreme(dtype: np.dtype[Any], rng: random.Random) -> float | int:
    if dtype.kind == "f":
        return rng.choice(FLOATS)
    limits = np.iinfo(dtype)
    return rng.choice((int(limits.min), int(limits.max), 0, min(5, int(limits.max))))


@cache
def _tower(content: bytes) -> onnx.ModelProto:
    return onnx.load_from_string(content)


def damaged_tower(rng: random.Random, tower: Callable[[str], bytes]) -> Graph:
    """Return the int8 tower of a bundle with damage in one or two of its native operators."""
    name = rng.choice(("text", "vision"))
    model = onnx.ModelProto()
    model.CopyFrom(_tower(tower(name)))
    nodes = [node for node in model.graph.node if node.domain == DOMAIN]
    damage = [_damage_node(model, rng.choice(nodes), rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    resized = [told.removesuffix(RESIZED) for told in damage if told.endswith(RESIZED)]
    short = resized[0].rpartition(".")[2] if resized else ""
    batch = rng.choice((1, 1, 2, 3, 0))
    feeds: dict[str, Array] = {"pixel_values": np.full((batch, 64, 64, 3), 100, np.uint8)}
    if name == "text":
        ids = np.full((batch, rng.choice((1, 7, 32))), 3071, np.int64)
        ids[:, :1] = rng.choice((5, 5, 5, -1, 3072, 2**62))
        feeds = {"input_ids": ids}
    told = f"{name} tower: {', '.join(damage)}"
    program = model.SerializeToString()
    threads = rng.choice(("1", "2", "3"))
    return Graph(damage=told, program=program, feeds=feeds, threads=threads, unfit=short)


def _damage_node(model: onnx.ModelProto, node: onnx.NodeProto, rng: random.Random) -> str:
    way = rng.choice(("attribute", "attribute", "stored", "stored", "inputs", "operator"))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = [name for name in node.input if name in stored]
    if way == "attribute":
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        plain = {n: v.decode() if isinstance(v, bytes) else v for n, v in attributes.items()}
        changed = _hostile_attribute(plain, rng)
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(n, v) for n, v in plain.items())
        return f"{node.op_type} {changed}"
    if way == "stored" and weights:
        name = rng.choice(weights)
        old_array = numpy_helper.to_array(stored[name])
        array = hostile_array(old_array, rng)
        stored[name].CopyFrom(numpy_helper.from_array(array, name))
        is_bias = name == weights[-1] and node.op_type.endswith("Linear")
        fits = is_bias and _still_fit(node.op_type, old_array.size, array.size)
        resized = RESIZED if array.size != old_array.size and not fits else ""
        return f"{node.op_type} {name.split('.', 2)[-1]}{resized}"
    if way == "operator":
        old, node.op_type = node.op_type, rng.choice(OPERATORS)
        return f"{old} named {node.op_type}"
    inputs = list(node.input)
    one, other = rng.randrange(len(inputs)), rng.randrange(len(inputs))
    inputs[one], inputs[other] = inputs[other], inputs[one]
    if rng.random() < 0.3:
        inputs.pop()
    del node.input[:]
    node.input.extend(inputs)
    return f"{node.op_type} inputs"


def _still_fit(name: str, outputs: int, left: int) -> bool:
    """Return True if a layer is sound with a bias that is resized, which alone counts its outputs.

    Of the layers in int8 the scales count them.
    """
    return prefix_of(name) != "" and left > 0 and -(-left // 32) == -(-outputs // 32)


def write(graph: Graph, place: Path) -> None:
    """Write a program, its feeds and its number of threads into a folder."""
    (place / "program.onnx").write_bytes(graph.program)
    np.savez(place / "feeds.npz", **graph.feeds)
    (place / "threads").write_text(graph.threads)
