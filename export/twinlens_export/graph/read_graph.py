"""The reading of an ONNX file as a graph, so that passes can change what was written before."""

import itertools
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper

from twinlens.errors import quoted
from twinlens_export.errors import ExportError
from twinlens_export.graph.graph import (
    MICROSOFT,
    MICROSOFT_OPS,
    Array,
    Attribute,
    Graph,
    Node,
    ValueInfo,
)

EXTERNAL: Final = onnx.TensorProto.EXTERNAL


def read_graph(path: Path) -> Graph:
    """Read an ONNX file that `save` has written; its functions are inlined.

    Weights beside the file are mapped into memory, not read.

    Raises:
        ExportError: an earlier version has written it; see `require_known_operators`.
    """
    model = onnx.load(path, load_external_data=False)
    require_known_operators(model, path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    body = model.graph
    graph = Graph(
        name=body.name,
        input=_value_info(body.input[0]),
        output=_value_info(body.output[0]),
        weights={tensor.name: _array(tensor, path) for tensor in body.initializer},
        metadata={entry.key: entry.value for entry in model.metadata_props},
        doc=model.doc_string,
    )
    for proto in body.node:
        if proto.op_type == "Constant":
            graph.weight(proto.output[0], _constant(proto))
        else:
            graph.nodes.append(_node(proto))
    return graph


def require_known_operators(model: onnx.ModelProto, path: Path) -> None:
    """Check that an ONNX file has no operators of onnxruntime's that none is written with now.

    Raises:
        ExportError: an earlier version has written it. Its int8 has signed weights, whose sums
            other programs saturate on x86 without VNNI.
    """
    nodes = itertools.chain(model.graph.node, *(function.node for function in model.functions))
    for node in nodes:
        if node.domain == MICROSOFT and node.op_type not in MICROSOFT_OPS:
            raise ExportError(
                f"{quoted(str(path))} has an operator {node.op_type}, which an earlier version of "
                "twinlens-export has written; export the checkpoint again"
            )


def read_arrays(path: Path) -> dict[str, Array]:
    """Read the weights of an ONNX file and of the one beside it into memory, by name."""
    body = onnx.load(path, load_external_data=False).graph
    return {tensor.name: np.array(_array(tensor, path)) for tensor in body.initializer}


def _node(proto: onnx.NodeProto) -> Node:
    return Node(
        op=proto.op_type,
        name=proto.output[0],
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={one.name: _attribute(one) for one in proto.attribute},
    )


def _attribute(proto: onnx.AttributeProto) -> Attribute:
    value = helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode()
    is_one = isinstance(value, (int, float, onnx.TensorProto))
    found: Attribute = value if is_one else list(value)
    return found


def _constant(proto: onnx.NodeProto) -> Array:
    (attribute,) = proto.attribute
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value, np.float32 if attribute.name.startswith("value_float") else np.int64)


def _array(tensor: onnx.TensorProto, path: Path) -> Array:
    if tensor.data_location != EXTERNAL:
        return numpy_helper.to_array(tensor)
    entry = {pair.key: pair.value for pair in tensor.external_data}
    return np.memmap(
        path.with_name(entry["location"]),
        dtype=helper.tensor_dtype_to_np_dtype(tensor.data_type),
        mode="r",
        offset=int(entry["offset"]),
        shape=tuple(tensor.dims),
    )


def _value_info(proto: onnx.ValueInfoProto) -> ValueInfo:
    kind = proto.type.tensor_type
    return ValueInfo(
        name=proto.name,
        dtype=helper.tensor_dtype_to_np_dtype(kind.elem_type),
        shape=tuple(dim.dim_param or dim.dim_value for dim in kind.shape.dim),
    )
