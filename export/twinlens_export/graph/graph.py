"""The graph under construction: nodes in order of execution, weights and functions; its file."""

import importlib.metadata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

from twinlens_export.graph.bf16 import BF16
from twinlens_export.graph.mapped_arrays import release

Array: TypeAlias = NDArray[Any]

# The oldest supported onnxruntime, 1.21, reads up to opset 22 and IR 10.
OPSET: Final = 20
IR_VERSION: Final = 10
MICROSOFT: Final = "com.microsoft"
MICROSOFT_OPS: Final = frozenset(
    {
        "Attention",
        "BiasGelu",
        "FastGelu",
        "MultiHeadAttention",
        "QuickGelu",
        "SkipLayerNormalization",
    }
)
TWINLENS: Final = "twinlens"
"""Domain of the native operators; without them onnxruntime inlines the functions."""
FLOAT_OPS: Final = frozenset(
    {
        "FloatBytesLinear",
        "FloatCausalAttention",
        "FloatCountedAttention",
        "FloatCountedPooledAttention",
        "FloatLinear",
        "FloatLinearAdd",
        "FloatMlpAdd",
        "FloatNorm",
        "FloatNormCausalAttentionAdd",
        "FloatNormLinear",
        "FloatNormMlpAdd",
        "FloatNormSelfAttentionAdd",
        "FloatPooledAttention",
        "FloatSelfAttention",
        "FloatUnitRows",
    }
)
"""Native operators of float32. A file without their functions runs where they serve only."""
LARGEST_EMBEDDED_BYTES: Final = 2**24
"""Beyond this the weights are external data, a second file to be mapped. Protobuf ends at 2 GiB."""
SMALLEST_EXTERNAL_BYTES: Final = 1024
ALIGNMENT_BYTES: Final = 64
"""Of an array in the external data: a cache line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueInfo:
    """An input or output of a graph; a string in its shape is a dynamic dim."""

    name: str
    dtype: DTypeLike
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """Reference to an attribute of the calling node (ONNX ref_attr_name)."""

    attribute: str
    kind: Literal["int", "float"] = "int"


Attribute: TypeAlias = int | float | str | Sequence[int] | onnx.TensorProto | Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation; its first output has its name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def with_inputs(self, inputs: Iterable[str]) -> "Node":
        """Return the same operation on other tensors."""
        return replace(self, inputs=tuple(inputs))


@dataclass(slots=True, kw_only=True)
class GraphBuilder:
    """Builder of nodes and weights: `add` appends an operation, `weight` stores an array.

    Tensors are referred to by name. Every name is taken once, so an array is stored once.
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
        """Store a small array, once for all its uses, and return its name."""
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
        """Split a tensor into equal parts along an axis."""
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
    """ONNX function: an operator of this project, defined by standard operators.

    Its nodes read `inputs` and write `output`; its weights are small constants.
    """

    inputs: tuple[str, ...]
    output: str
    attributes: tuple[str, ...] = ()
    """Names of the attributes that every call has."""


@dataclass(slots=True, kw_only=True)
class Graph(GraphBuilder):
    """An ONNX graph under construction."""

    input: ValueInfo
    output: ValueInfo
    functions: dict[str, Function] = field(default_factory=dict)
    """By the name of the operator."""
    extra_inputs: tuple[ValueInfo, ...] = ()
    extra_outputs: tuple[ValueInfo, ...] = ()
    """Of graphs used during an export only, for its measurements."""
    doc: str = ""
    """Words for whoever opens the file in a viewer."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Properties of the file, by key."""

    def call(self, function: Function, *inputs: str, name: str, **attributes: Attribute) -> str:
        """Append an operator of this project; its function is stored at its first use."""
        known = self.functions.setdefault(function.name, function)
        # A constant is named by its value, so equal nodes mean equal functions.
        assert known.nodes == function.nodes, f"{function.name} has two definitions in one graph"
        return self.add(function.name, *inputs, name=name, **attributes)

    def emptied(self) -> "Graph":
        """Return a copy with the same inputs, outputs and arrays, but no nodes yet."""
        return replace(self, nodes=[], weights=dict(self.weights))

    def pruned(self) -> "Graph":
        """Return the same graph without unread arrays."""
        read = {name for node in self.nodes for name in node.inputs}
        return replace(
            self, weights={name: array for name, array in self.weights.items() if name in read}
        )


def save(graph: Graph, path: Path) -> tuple[Path, ...]:
    """Write a graph as an ONNX file and return the files written.

    Many weights become a second file of external data, which onnxruntime maps into memory instead
    of reading it. They are written one at a time: a model of onnx that held them would take their
    memory three times over.
    """
    tensors, beside = _stored(graph.weights, path)
    onnx.save_model(_model(graph, tensors), path)
    release(graph.weights.values())
    return (path, *beside)


def save_beside(graph: Graph, path: Path, first: Path) -> None:
    """Write a graph that shares the external data of a file of `save`.

    Args:
        graph: its arrays are those of the first graph under the same name.
        path: the new file, in the same folder.
        first: the file of the first graph.
    """
    stored = {
        tensor.name: tensor
        for tensor in onnx.load(first, load_external_data=False).graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    }
    for name, array in graph.weights.items():
        assert name not in stored or tuple(stored[name].dims) == array.shape, f"{name} is another"
    own = {name: array for name, array in graph.weights.items() if name not in stored}
    tensors, _ = _stored(own, path)
    read = [tensor for name, tensor in stored.items() if name in graph.weights]
    onnx.save_model(_model(graph, [*tensors, *read]), path)
    release(own.values())


def _stored(
    weights: Mapping[str, Array], path: Path
) -> tuple[list[onnx.TensorProto], tuple[Path, ...]]:
    """Return the tensors of arrays for a file; many are written to a second file beside it."""
    if sum(array.nbytes for array in weights.values()) <= LARGEST_EMBEDDED_BYTES:
        return [embedded(name, array) for name, array in weights.items()], ()
    external = path.with_name(f"{path.name}_data")
    with external.open("wb") as file:
        tensors = [
            _external(name, array, file, external.name)
            if array.nbytes >= SMALLEST_EXTERNAL_BYTES
            else embedded(name, array)
            for name, array in weights.items()
        ]
    return tensors, (external,)


def _external(name: str, array: Array, file: BinaryIO, file_name: str) -> onnx.TensorProto:
    """Write an array to a file, and return the tensor that stands for it."""
    file.write(bytes(-file.tell() % ALIGNMENT_BYTES))
    tensor = onnx.TensorProto(
        name=name,
        data_type=_tensor_type(array.dtype),
        dims=array.shape,
        data_location=onnx.TensorProto.EXTERNAL,
    )
    entry = {"location": file_name, "offset": file.tell(), "length": array.nbytes}
    for key, value in entry.items():
        tensor.external_data.add(key=key, value=str(value))
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    file.write(np.ascontiguousarray(little_endian).data)
    return tensor


def embedded(name: str, array: Array) -> onnx.TensorProto:
    """Return a tensor that holds an array."""
    if array.dtype == BF16:
        return helper.make_tensor(name, _tensor_type(BF16), array.shape, array.tobytes(), raw=True)
    return numpy_helper.from_array(array, name)


def _tensor_type(dtype: np.dtype[Any]) -> int:
    """Return the type of a tensor by onnx's numbers."""
    if dtype == BF16:
        return int(onnx.TensorProto.BFLOAT16)
    return int(helper.np_dtype_to_tensor_dtype(dtype))


def to_model(graph: Graph) -> onnx.ModelProto:
    """Convert a graph to a model of onnx that holds all weights."""
    return _model(graph, [embedded(name, array) for name, array in graph.weights.items()])


def _model(graph: Graph, tensors: Sequence[onnx.TensorProto]) -> onnx.ModelProto:
    body = helper.make_graph(
        [to_node(node, graph.functions) for node in graph.nodes],
        graph.name,
        [_value_info(value) for value in (graph.input, *graph.extra_inputs)],
        [_value_info(value) for value in (graph.output, *graph.extra_outputs)],
        tensors,
    )
    called = {node.op for node in graph.nodes}
    bodies = [graph.nodes, *(known.nodes for known in graph.functions.values())]
    domains = _domains({node.op for nodes in bodies for node in nodes})
    if graph.functions or FLOAT_OPS & called:
        domains.append(helper.make_opsetid(TWINLENS, 1))
    model = helper.make_model(
        body,
        functions=[_function(known) for name, known in graph.functions.items() if name in called],
        opset_imports=domains,
        ir_version=IR_VERSION,
        producer_name="twinlens",
        producer_version=importlib.metadata.version("twinlens"),
        doc_string=graph.doc,
    )
    helper.set_model_props(model, dict(graph.metadata))
    return model


def _domains(called: Container[str]) -> list[onnx.OperatorSetIdProto]:
    """Return the operator sets of nodes: a file without Microsoft's names ONNX's alone."""
    domains = [helper.make_opsetid("", OPSET)]
    if any(op in called for op in MICROSOFT_OPS):
        domains.append(helper.make_opsetid(MICROSOFT, 1))
    return domains


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
        [*constants, *(to_node(node) for node in function.nodes)],
        _domains({node.op for node in function.nodes}),
        function.attributes,
    )


def to_node(node: Node, own: Container[str] = ()) -> onnx.NodeProto:
    """Convert a node to one of onnx.

    Args:
        node: the node.
        own: names of the operators that are functions of its graph.
    """
    domain = MICROSOFT if node.op in MICROSOFT_OPS else ""
    if node.op in own or node.op in FLOAT_OPS:
        domain = TWINLENS
    proto = helper.make_node(node.op, node.inputs, node.outputs, node.name, domain=domain)
    proto.attribute.extend(_attribute(name, value) for name, value in node.attributes.items())
    return proto


def _attribute(name: str, value: Attribute) -> onnx.AttributeProto:
    if isinstance(value, Ref):
        kinds = {"int": onnx.AttributeProto.INT, "float": onnx.AttributeProto.FLOAT}
        return onnx.AttributeProto(name=name, ref_attr_name=value.attribute, type=kinds[value.kind])
    return helper.make_attribute(name, value)


def _value_info(value: ValueInfo) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    return helper.make_tensor_value_info(value.name, dtype, value.shape)
