"""The part of int8 towers between their first and their last native operator, as graphs of its own.

onnxruntime's own LayerNormalization and ReduceL2, at both ends of a tower, sum in another way on
ARM; the part between them is ours, and its rows are compared by themselves.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import onnx
from onnx import TensorProto, helper

from twinlens.loading import folder_of

DOMAIN: Final = "twinlens"
BEFORE: Final = "vision_before.onnx"
"""From pixels to the tokens that enter the first block."""
TOWERS: Final = ("vision", "text")


def write_native_part(bundle: str, folder: Path) -> None:
    """Write `BEFORE`, and of each tower the graph from there on to its last native operator."""
    source = folder_of(bundle) / "onnx"
    folder.mkdir(parents=True)
    for tower in TOWERS:
        for weights in source.glob(f"{tower}_model_int8.onnx_data"):
            shutil.copy(weights, folder)
        model = onnx.load(source / f"{tower}_model_int8.onnx", load_external_data=False)
        nodes = list(model.graph.node)
        native = [i for i, node in enumerate(nodes) if node.domain == DOMAIN]
        first = next((i for i in _norms(nodes) if i < native[1]), None)
        rest = nodes[: native[-1] + 1]
        if first is not None:
            (tokens,) = nodes[first].output
            _write(model, nodes[: first + 1], tokens, folder / BEFORE)
            del model.graph.input[:]
            shape = ("batch", "tokens", "width")
            model.graph.input.append(
                helper.make_tensor_value_info(tokens, TensorProto.FLOAT, shape)
            )
            rest = rest[first + 1 :]
        _write(model, rest, nodes[native[-1]].output[0], folder / f"{tower}.onnx")


def _norms(nodes: Sequence[onnx.NodeProto]) -> list[int]:
    return [i for i, node in enumerate(nodes) if node.op_type == "LayerNormalization"]


def _write(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], output: str, path: Path
) -> None:
    part = onnx.ModelProto()
    part.CopyFrom(model)
    used = {name for node in nodes for name in node.input}
    weights = [weight for weight in model.graph.initializer if weight.name in used]
    for field, values in (
        ("node", nodes),
        ("output", [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]),
        ("initializer", weights),
    ):
        part.graph.ClearField(field)
        getattr(part.graph, field).extend(values)
    onnx.save(part, path)
