"""The reader of a traced model: from torch's ONNX graph to a body.

Constants are folded, aliases resolved, and the parts found that have most of the weights: linear
maps (`MatMul` of a matrix, with the `Add` of a bias after it, and `Gemm`), and large tables, whose
rows `Gather` reads.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from twinlens.errors import quoted
from twinlens_export.checkpoints.body_patches import patch_steps
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.body import ROWS, Body, DenseStep, NamedArray, Step, TableStep
from twinlens_export.graph.graph import OPSET, Array, Attribute, Node
from twinlens_export.graph.names import TOWER_NAMES, free_name

MOST_FOLDED_BYTES: Final = 2**26
"""Largest result of a node that is computed here, and not when a session opens."""
TABLE_NUMBERS: Final = 2**20
"""Numbers of a table from which on it is a block. A token embedding has 25 million and more; tables
of positions have less, and would save nothing."""
RANKS: Final = (2, 3, 4)
"""Of tokens whose linear maps the blocks compute: rows, texts and images, planes."""

Shape = tuple[int | None, ...]


def read_body(
    model: onnx.ModelProto, arrays: Mapping[str, Array], *, given: str, output: str
) -> Body:
    """Read a traced model.

    Args:
        model: of one graph, whose weights are inputs.
        arrays: weights by the names of those inputs.
        given: name of the model's own input.
        output: name of its output.

    Raises:
        CheckpointError: it has operators beyond the standard, or a subgraph.
    """
    for node in model.graph.node:
        _require_standard(node)
    inferred = shape_inference.infer_shapes(model)
    infos = (*inferred.graph.value_info, *inferred.graph.input)
    reader = _Reader(
        arrays={**arrays, **{t.name: numpy_helper.to_array(t) for t in model.graph.initializer}},
        shapes={info.name: _shape(info) for info in infos},
        kinds={info.name: info.type.tensor_type.elem_type for info in infos},
    )
    for node in model.graph.node:
        reader.read(node)
    steps = _live(_with_dense(reader), reader.name_of(output))
    read = {name for step in steps if isinstance(step, Node) for name in step.inputs}
    return Body(
        input=given,
        output=reader.name_of(output),
        steps=tuple(steps),
        arrays=tuple(
            NamedArray(name=name, array=array)
            for name, array in reader.arrays.items()
            if name in read
        ),
        products=sum(map(reader.products, steps)),
    )


def _require_standard(node: onnx.NodeProto) -> None:
    subgraphs = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    if node.domain or any(attribute.type in subgraphs for attribute in node.attribute):
        operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        raise CheckpointError(
            f"the model has an operator {quoted(operator)} ({quoted(node.name)}) that not every "
            "runtime has; give a checkpoint of another kind"
        )


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Nodes read so far, with names resolved and constants folded."""

    arrays: dict[str, Array]
    shapes: Mapping[str, Shape]
    kinds: Mapping[str, int]
    """Element types of tensors, by ONNX's numbers, where they are known."""
    nodes: list[Node] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    """Names of the weights that constants are computed from."""
    _aliases: dict[str, str] = field(default_factory=dict)
    _constants: dict[tuple[str, Shape, bytes], str] = field(default_factory=dict)
    """Names of constants by their content."""

    def name_of(self, name: str) -> str:
        """Return the first name of a tensor."""
        return self._aliases.get(name, name)

    def products(self, step: Step) -> float:
        """Return the products of weights of one step; dims that are not known count as one."""
        if isinstance(step, DenseStep):
            places, weights = step.shape[1:-1], step.weight.size
        elif isinstance(step, Node) and step.op == "Conv" and step.inputs[1] in self.arrays:
            places, weights = self.shapes.get(step.name, ())[2:], self.arrays[step.inputs[1]].size
        else:
            return 0.0
        return float(weights * math.prod(place or 1 for place in places))

    def read(self, proto: onnx.NodeProto) -> None:
        """Read one node."""
        inputs = tuple(map(self.name_of, proto.input))
        if proto.op_type == "Identity" or self._is_idle(proto):
            self._aliases[proto.output[0]] = inputs[0]
        elif not self._folded(proto, inputs):
            self.nodes.append(_node(proto, inputs))

    def _is_idle(self, proto: onnx.NodeProto) -> bool:
        """Return True for a cast to the type that its input has: torch writes many of them."""
        kind = self.kinds.get(proto.input[0]) if proto.op_type == "Cast" else None
        return kind is not None and any(attribute.i == kind for attribute in proto.attribute)

    def _folded(self, proto: onnx.NodeProto, inputs: Sequence[str]) -> bool:
        """Compute a node of constants; False: its inputs are not all constants, or it is large."""
        known = [name for name in inputs if name]
        if known:
            self.origins[proto.output[0]] = self.origins.get(known[0], known[0])
        if any(name not in self.arrays for name in known):
            return False
        if proto.op_type == "Transpose":  # a view
            perm = [axis for attribute in proto.attribute for axis in attribute.ints]
            self.arrays[proto.output[0]] = self.arrays[inputs[0]].transpose(perm or None)
            return True
        values = _computed(proto, inputs, self.arrays)
        if sum(value.nbytes for value in values) > MOST_FOLDED_BYTES:
            return False
        for name, value in zip(proto.output, values, strict=True):
            self._keep(name, value)
        return True

    def _keep(self, name: str, value: Array) -> None:
        """Keep a constant, an equal one once: each layer has its own of rotary positions."""
        content = value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).digest()
        first = self._constants.setdefault(content, name)
        if first == name:
            self.arrays[name] = value
        else:
            self._aliases[name] = first


def _computed(
    proto: onnx.NodeProto, inputs: Sequence[str], arrays: Mapping[str, Array]
) -> list[Array]:
    """Compute one node by the reference implementation of ONNX."""
    node = onnx.NodeProto()
    node.CopyFrom(proto)
    node.input[:] = inputs
    names = sorted({name for name in inputs if name})
    graph = helper.make_graph(
        [node],
        "constant",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(arrays[name].dtype), arrays[name].shape
            )
            for name in names
        ],
        [onnx.ValueInfoProto(name=name) for name in proto.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    run = ReferenceEvaluator(model).run(None, {name: arrays[name] for name in names})
    return [np.asarray(value) for value in run]


def _with_dense(reader: _Reader) -> list[Step]:
    """Put a linear map in the place of each product with a matrix and of the sum after it."""
    readers: dict[str, list[Node]] = {}
    for node in reader.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    producers = {name: node for node in reader.nodes for name in node.outputs}
    taken, absorbed, steps = set(TOWER_NAMES), set[str](), list[Step]()
    for node in reader.nodes:
        if node.name in absorbed:
            continue
        dense = _dense(node, reader)
        if dense is None:
            steps += _cut(node, reader, taken) or (_table(node, reader, taken) or node,)
            continue
        sums = readers.get(dense.output, [])
        if dense.bias is None and len(sums) == 1 and (bias := _bias(dense, sums[0], reader)):
            absorbed.add(sums[0].name)
            dense = replace(dense, bias=reader.arrays[bias], output=sums[0].outputs[0])
        dense = replace(dense, name=free_name(dense.name, taken))
        is_flat = _is_flat(dense, producers, readers)
        steps += _in_one_item(dense, reader) if is_flat else _before_transpose(dense, producers)
    return steps


def _is_flat(
    dense: DenseStep, producers: Mapping[str, Node], readers: Mapping[str, Sequence[Node]]
) -> bool:
    """Return True for rows that are tokens in truth: torch's attention flattens them for a map."""
    before = producers.get(dense.given)
    after = {node.op for node in readers.get(dense.output, [])}
    is_between = before is not None and before.op == "Reshape" and "Reshape" in after
    return len(dense.shape) == ROWS and is_between and after <= {"Reshape", "Shape"}


def _in_one_item(dense: DenseStep, reader: _Reader) -> tuple[Step, ...]:
    """Return a linear map of rows [N, in] as one of the tokens [1, N, in] of one item."""
    outputs, inputs = dense.weight.shape
    given, mapped = f"{dense.output}.given", f"{dense.output}.mapped"

    def reshape(name: str, read: str, shape: Sequence[int]) -> Node:
        reader.arrays[f"{name}.shape"] = np.array(shape, np.int64)
        return Node(op="Reshape", name=name, inputs=(read, f"{name}.shape"), outputs=(name,))

    return (
        reshape(given, dense.given, [1, -1, inputs]),
        replace(dense, given=given, output=mapped, shape=(1, None, inputs)),
        reshape(dense.output, mapped, [-1, outputs]),
    )


def _before_transpose(dense: DenseStep, producers: Mapping[str, Node]) -> tuple[Step, ...]:
    """Return a linear map and the transpose that it followed, in the other order.

    It maps the last axis, so the order of the others is the same to it. On the CPU onnxruntime 1.32
    dies of a product in fp16 behind a transpose of the first two axes, which it fuses.
    """
    node = producers.get(dense.given)
    perm = node.attributes.get("perm") if node is not None and node.op == "Transpose" else None
    if node is None or not isinstance(perm, Sequence) or perm[-1] != len(perm) - 1:
        return (dense,)
    places = sorted(range(len(perm)), key=lambda axis: perm[axis])
    shape = tuple(dense.shape[place] for place in places)
    output = f"{dense.output}.first"
    first = replace(dense, given=node.inputs[0], output=output, shape=shape)
    return (first, replace(node, name=dense.output, inputs=(output,), outputs=(dense.output,)))


def _cut(node: Node, reader: _Reader, taken: set[str]) -> tuple[Step, ...] | None:
    """Return the steps of a convolution that cuts into patches; None: the node is none."""
    if node.op != "Conv":
        return None
    origin = reader.origins.get(node.inputs[1], node.inputs[1]).removesuffix(".weight")
    shape = reader.shapes.get(node.inputs[0], ())
    found = patch_steps(node, shape, reader.arrays, origin)
    return found and tuple(
        replace(step, name=free_name(step.name, taken)) if isinstance(step, DenseStep) else step
        for step in found
    )


def _table(node: Node, reader: _Reader, taken: set[str]) -> TableStep | None:
    """Return the rows of a large table that a node gathers; None: it is something else."""
    if node.op != "Gather" or node.inputs[0] not in reader.arrays:
        return None
    name, ids = node.inputs
    table, shape = reader.arrays[name], reader.shapes.get(ids, ())
    is_large = table.ndim == 2 and table.dtype == np.float32 and table.size >= TABLE_NUMBERS
    if not is_large or len(shape) != 2 or node.attributes.get("axis", 0) != 0:
        return None
    origin = reader.origins.get(name, name).removesuffix(".weight")
    return TableStep(name=free_name(origin, taken), given=ids, output=node.outputs[0], table=table)


def _dense(node: Node, reader: _Reader) -> DenseStep | None:
    """Return the linear map that a node is; None: it is none."""
    if node.op not in {"MatMul", "Gemm"} or node.inputs[1] not in reader.arrays:
        return None
    given, name = node.inputs[:2]
    weight, shape = reader.arrays[name], reader.shapes.get(given, ())
    if weight.ndim != 2 or len(shape) not in RANKS:
        return None
    bias = None
    if node.op == "Gemm":
        plain: dict[str, Attribute] = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}
        third = node.inputs[2] if len(node.inputs) > 2 else ""
        if {**plain, **node.attributes} != plain or (third and third not in reader.arrays):
            return None
        bias = reader.arrays[third] if third else None
    else:
        weight = weight.T
    if bias is not None and bias.shape != weight.shape[:1]:
        return None
    return DenseStep(
        name=reader.origins.get(name, name).removesuffix(".weight"),
        given=given,
        output=node.outputs[0],
        weight=weight,
        bias=bias,
        shape=shape,
    )


def _bias(dense: DenseStep, node: Node, reader: _Reader) -> str | None:
    """Return the bias of a linear map, if a node adds it; None: it does something else."""
    if node.op != "Add":
        return None
    (other,) = [name for name in node.inputs if name != dense.output] or [""]
    array = reader.arrays.get(other)
    return other if array is not None and array.shape == dense.weight.shape[:1] else None


def _live(steps: Sequence[Step], output: str) -> list[Step]:
    """Return the steps that the output depends on."""
    read, kept = {output}, list[Step]()
    for step in reversed(steps):
        if read.intersection(step.outputs):
            kept.append(step)
            read.update(step.inputs)
    return kept[::-1]


def _shape(info: onnx.ValueInfoProto) -> Shape:
    """Return the dims of a tensor; None: it depends on the batch. Empty: it is not known."""
    dims = info.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def _node(proto: onnx.NodeProto, inputs: tuple[str, ...]) -> Node:
    attributes: dict[str, Any] = {
        attribute.name: _plain(helper.get_attribute_value(attribute))
        for attribute in proto.attribute
    }
    return Node(
        op=proto.op_type,
        name=proto.output[0],
        inputs=inputs,
        outputs=tuple(proto.output),
        attributes=attributes,
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  of any type of ONNX
    return value.decode() if isinstance(value, bytes) else value
