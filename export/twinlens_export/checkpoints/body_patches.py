"""The convolutions that cut an image into patches, as linear maps of those patches.

A convolution whose stride is its kernel reads every pixel once: the patch embedding of a vision
transformer, and the downsampling of ConvNeXt. As a linear map it is a block of each precision.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinlens_export.graph.body import DenseStep, Step
from twinlens_export.graph.graph import Array, Attribute, Node

PLAIN: Final[Mapping[str, Attribute]] = {
    "auto_pad": "NOTSET",
    "dilations": [1, 1],
    "group": 1,
    "pads": [0, 0, 0, 0],
}

Shape = tuple[int | None, ...]


def patch_steps(
    node: Node, shape: Shape, arrays: dict[str, Array], name: str
) -> tuple[Step, ...] | None:
    """Return the steps in the place of a convolution, or None: it does not cut into patches.

    Args:
        node: any node.
        shape: of its first input.
        arrays: constants by name; those of the steps are added.
        name: of the linear map.
    """
    if node.op != "Conv" or node.inputs[1] not in arrays or len(shape) != 4:
        return None
    weight, bias = arrays[node.inputs[1]], None
    if len(node.inputs) > 2:
        bias = arrays.get(node.inputs[2])
    channels, height, width = shape[1:]
    if weight.ndim != 4 or not (channels and height and width) or not _cuts(node, weight):
        return None
    outputs, (down, across) = len(weight), weight.shape[2:]
    if height % down or width % across or (bias is None and len(node.inputs) > 2):
        return None
    rows, columns, inputs = height // down, width // across, weight[0].size
    steps = _Steps(node.name, arrays)
    cut = steps.reshape(node.inputs[0], [0, channels, rows, down, columns, across])
    patches = steps.reshape(steps.transpose(cut, [0, 2, 4, 1, 3, 5]), [0, rows * columns, inputs])
    mapped = steps.dense(
        DenseStep(
            name=name,
            given=patches,
            output=f"{node.name}.mapped",
            weight=weight.reshape(outputs, inputs),
            bias=bias,
            shape=(None, rows * columns, inputs),
        )
    )
    planes = steps.transpose(mapped, [0, 2, 1])
    steps.reshape(planes, [0, outputs, rows, columns], output=node.name)
    return tuple(steps.made)


def _cuts(node: Node, weight: Array) -> bool:
    """Return True if a convolution reads every pixel once, by a kernel of more than one pixel."""
    kernel = list(weight.shape[2:])
    others = {**PLAIN, **node.attributes}
    strides, _ = others.pop("strides", None), others.pop("kernel_shape", None)
    return strides == kernel and kernel != [1, 1] and others == PLAIN


class _Steps:
    """Steps made so far, named after a convolution."""

    def __init__(self, name: str, arrays: dict[str, Array]) -> None:
        self.made: list[Step] = []
        self._name, self._arrays = name, arrays

    def reshape(self, given: str, shape: list[int], *, output: str = "") -> str:
        output = output or f"{self._name}.{len(self.made)}"
        stored = f"{output}.shape"
        self._arrays[stored] = np.array(shape, np.int64)
        return self._add(Node(op="Reshape", name=output, inputs=(given, stored), outputs=(output,)))

    def transpose(self, given: str, perm: list[int]) -> str:
        output = f"{self._name}.{len(self.made)}"
        attributes: dict[str, Attribute] = {"perm": perm}
        node = Node(
            op="Transpose", name=output, inputs=(given,), outputs=(output,), attributes=attributes
        )
        return self._add(node)

    def dense(self, step: DenseStep) -> str:
        return self._add(step)

    def _add(self, step: Step) -> str:
        self.made.append(step)
        return step.outputs[0]
