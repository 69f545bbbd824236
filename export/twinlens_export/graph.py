"""A graph: ONNX nodes in order of execution, and the arrays they read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

Array: TypeAlias = NDArray[Any]
Attribute: TypeAlias = int | float | Sequence[int]

# What onnxruntime 1.20, the oldest one supported, reads: opset 21 and IR 10.
OPSET: Final = 20
IR_VERSION: Final = 10
MICROSOFT: Final = "com.microsoft"
MICROSOFT_OPS: Final = frozenset({"FusedMatMul", "MatMulIntegerToFloat", "QuickGelu"})
LARGEST_FILE_BYTES: Final = 2**31 - 2**20
"""Protobuf ends at 2 GiB; beyond this the weights go into a second file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output of a graph; a side that is a string is dynamic."""

    name: str
    dtype: DTypeLike
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation; its first output has its name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def with_inputs(self, inputs: Iterable[str]) -> "Node":
        """The same operation on other tensors."""
        return replace(self, inputs=tuple(inputs))


@dataclass(slots=True, kw_only=True)
class Graph:
    """A program under construction: `add` appends a node, `weight` an array.

    Tensors are spoken of by name. Every name is taken once, so an array is stored once.
    """

    name: str
    input: Port
    output: Port
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)

    def weight(self, name: str, array: Array) -> str:
        """Store an array under a name."""
        assert name not in self.weights, f"{name} is taken"
        self.weights[name] = array
        return name

    def constant(self, value: float | Sequence[int], dtype: DTypeLike) -> str:
        """A small array, stored once however often it is used."""
        array = np.asarray(value, dtype=dtype)
        name = f"{array.dtype}:{array.tolist()}"
        self.weights.setdefault(name, array)
        return name

    def add(self, op: str, *inputs: str, name: str = "", **attributes: Attribute) -> str:
        """Append an operation with one output and return that output's name."""
        name = name or f"{op}.{len(self.nodes)}"
        self.nodes.append(
            Node(op=op, name=name, inputs=inputs, outputs=(name,), attributes=attributes)
        )
        return name

    def split(self, tensor: str, parts: int, *, axis: int) -> tuple[str, ...]:
        """Cut a tensor into equal parts along an axis."""
        if parts == 1:
            return (tensor,)
        name = f"Split.{len(self.nodes)}"
        outputs = (name, *(f"{name}.{part}" for part in range(1, parts)))
        attributes = {"axis": axis, "num_outputs": parts}
        self.nodes.append(
            Node(op="Split", name=name, inputs=(tensor,), outputs=outputs, attributes=attributes)
        )
        return outputs

    def emptied(self) -> "Graph":
        """A graph with the same ports and arrays, and no node yet: what a rewriting step fills."""
        return replace(self, nodes=[], weights=dict(self.weights))

    def pruned(self) -> "Graph":
        """The same graph without the arrays that no node reads."""
        read = {name for node in self.nodes for name in node.inputs}
        return replace(
            self, weights={name: array for name, array in self.weights.items() if name in read}
        )


def save(graph: Graph, path: Path) -> tuple[Path, ...]:
    """Write a graph as an ONNX file and return the files written.

    These are two where the weights would not fit into one: then they lie beside it.
    """
    model = to_model(graph)
    size = sum(array.nbytes for array in graph.weights.values())
    if size <= LARGEST_FILE_BYTES:
        onnx.save_model(model, path)
        return (path,)
    beside = path.with_name(f"{path.name}_data")
    onnx.save_model(model, path, save_as_external_data=True, location=beside.name)
    return (path, beside)


def to_model(graph: Graph) -> onnx.ModelProto:
    """The graph as onnx's own value."""
    body = helper.make_graph(
        [_node(node) for node in graph.nodes],
        graph.name,
        [_port(graph.input)],
        [_port(graph.output)],
        [numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
    )
    domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(
        body, opset_imports=domains, ir_version=IR_VERSION, producer_name="twinlens"
    )


def _node(node: Node) -> onnx.NodeProto:
    domain = MICROSOFT if node.op in MICROSOFT_OPS else ""
    proto = helper.make_node(node.op, node.inputs, node.outputs, node.name, domain=domain)
    proto.attribute.extend(
        helper.make_attribute(name, value) for name, value in node.attributes.items()
    )
    return proto


def _port(port: Port) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(port.dtype))
    return helper.make_tensor_value_info(port.name, dtype, port.shape)
