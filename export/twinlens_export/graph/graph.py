"""A graph: ONNX nodes in order of execution, the arrays they read, the functions they call."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

Array: TypeAlias = NDArray[Any]

# What onnxruntime 1.20, the oldest one supported, reads: opset 21 and IR 10.
OPSET: Final = 20
IR_VERSION: Final = 10
MICROSOFT: Final = "com.microsoft"
MICROSOFT_OPS: Final = frozenset(
    {
        "Attention",
        "BiasGelu",
        "FastGelu",
        "FusedMatMul",
        "MatMulIntegerToFloat",
        "MultiHeadAttention",
        "QuickGelu",
        "SkipLayerNormalization",
    }
)
TWINLENS: Final = "twinlens"
"""The domain of the native operators; without them onnxruntime inlines the functions."""
LARGEST_INSIDE_BYTES: Final = 2**24
"""Beyond this the weights lie in a second file, which can be mapped. (Protobuf ends at 2 GiB.)"""
SMALLEST_BESIDE_BYTES: Final = 1024
ALIGNMENT_BYTES: Final = 64
"""Of an array in the second file: a line of the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueInfo:
    """An input or output of a graph; a side that is a string is dynamic."""

    name: str
    dtype: DTypeLike
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """An integer that the node which calls a function gives, spoken of inside the function."""

    attribute: str


Attribute: TypeAlias = int | float | str | Sequence[int] | Ref


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
class GraphBuilder:
    """Operations under construction: `add` appends one, `weight` stores an array.

    Tensors are spoken of by name. Every name is taken once, so an array is stored once.
    """

    name: str
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


@dataclass(slots=True, kw_only=True)
class Function(GraphBuilder):
    """What an operator of this project means, in operators that everyone has.

    Its first node's inputs and its last node's output are those of `inputs` and `output`; its
    weights are small constants.
    """

    inputs: tuple[str, ...]
    output: str
    attributes: tuple[str, ...] = ()
    """Those that a call must give."""


@dataclass(slots=True, kw_only=True)
class Graph(GraphBuilder):
    """A program under construction."""

    input: ValueInfo
    output: ValueInfo
    functions: dict[str, Function] = field(default_factory=dict)
    """By the operator that each defines."""
    more_inputs: tuple[ValueInfo, ...] = ()
    more_outputs: tuple[ValueInfo, ...] = ()
    """What only an export asks for, of graphs that it does not keep."""

    def call(self, function: Function, *inputs: str, name: str, **attributes: Attribute) -> str:
        """Append an operator of this project; its function is stored at its first use."""
        known = self.functions.setdefault(function.name, function)
        # A constant is named by its value, so the nodes say it all.
        assert known.nodes == function.nodes, f"{function.name} means two things in one graph"
        return self.add(function.name, *inputs, name=name, **attributes)

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

    These are two where there are many weights: then they lie beside it, and onnxruntime maps them
    into memory instead of reading them.
    """
    model = to_model(graph)
    if sum(array.nbytes for array in graph.weights.values()) <= LARGEST_INSIDE_BYTES:
        onnx.save_model(model, path)
        return (path,)
    beside = path.with_name(f"{path.name}_data")
    with beside.open("wb") as file:
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) >= SMALLEST_BESIDE_BYTES:
                _put_beside(tensor, file, beside.name)
    onnx.save_model(model, path)
    return (path, beside)


def _put_beside(tensor: onnx.TensorProto, file: BinaryIO, name: str) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT_BYTES))
    place = {"location": name, "offset": file.tell(), "length": len(tensor.raw_data)}
    file.write(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))


def to_model(graph: Graph) -> onnx.ModelProto:
    """The graph as onnx's own value."""
    body = helper.make_graph(
        [_node(node, graph.functions) for node in graph.nodes],
        graph.name,
        [_port(port) for port in (graph.input, *graph.more_inputs)],
        [_port(port) for port in (graph.output, *graph.more_outputs)],
        [numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
    )
    called = {node.op for node in graph.nodes}
    domains = _domains()
    if graph.functions:
        domains.append(helper.make_opsetid(TWINLENS, 1))
    return helper.make_model(
        body,
        functions=[_function(known) for name, known in graph.functions.items() if name in called],
        opset_imports=domains,
        ir_version=IR_VERSION,
        producer_name="twinlens",
    )


def _domains() -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]


def _function(function: Function) -> onnx.FunctionProto:
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in function.weights.items()
    ]
    return helper.make_function(
        TWINLENS,
        function.name,
        function.inputs,
        [function.output],
        [*constants, *(_node(node, ()) for node in function.nodes)],
        _domains(),
        function.attributes,
    )


def _node(node: Node, own: Container[str]) -> onnx.NodeProto:
    domain = TWINLENS if node.op in own else MICROSOFT if node.op in MICROSOFT_OPS else ""
    proto = helper.make_node(node.op, node.inputs, node.outputs, node.name, domain=domain)
    proto.attribute.extend(_attribute(name, value) for name, value in node.attributes.items())
    return proto


def _attribute(name: str, value: Attribute) -> onnx.AttributeProto:
    if isinstance(value, Ref):
        return onnx.AttributeProto(
            name=name, ref_attr_name=value.attribute, type=onnx.AttributeProto.INT
        )
    return helper.make_attribute(name, value)


def _port(port: ValueInfo) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(port.dtype))
    return helper.make_tensor_value_info(port.name, dtype, port.shape)
