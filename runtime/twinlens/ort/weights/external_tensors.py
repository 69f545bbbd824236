"""External tensors of an ONNX file: name, type, shape and place in the file beside it.

Only the few fields are read that tell them, by the wire format of protocol buffers
(protobuf.dev/programming-guides/encoding): the package onnx is no part of the runtime.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_INPUT, _OP_TYPE, _DOMAIN = 1, 4, 7
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14
_KEY, _VALUE = 1, 2
_EXTERNAL: Final = 1
"""TensorProto.EXTERNAL."""
_DTYPES: Final[Mapping[int, DTypeLike]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    10: np.float16,
    16: np.uint16,
}
"""By the numbers of TensorProto.DataType; bfloat16, which numpy lacks, as the bits that it is."""
_LEFT_ALONE: Final = frozenset(
    {
        "Cast",
        "Conv",
        "Gather",
        "Gemm",
        "LayerNormalization",
        "MatMul",
        "MatMulInteger",
        "Reshape",
        "Slice",
        "Transpose",
    }
)
"""ONNX's operators whose weights onnxruntime never writes anew under the name that they had: they
are no operands of a sum or product by elements."""
_VARINT, _LENGTH = 0, 2
_FIXED: Final[Mapping[int, int]] = {1: 8, 5: 4}
"""Bytes of a field, by its wire type."""


class ExternalTensor(NamedTuple):
    """A stored array [shape], in a file beside the ONNX file."""

    file: str
    dtype: np.dtype
    kind: int
    """Its type, as a number of TensorProto.DataType."""
    shape: tuple[int, ...]
    offset: int
    """First byte in the file."""

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size * self.dtype.itemsize


def external_tensors(model: bytes) -> dict[str, ExternalTensor]:
    """Return the external tensors of an ONNX model of the types of `_DTYPES`, by name.

    Raises:
        ValueError: the bytes are no such message.
    """
    found = {}
    for graph in _messages(memoryview(model), _GRAPH):
        for tensor in _messages(graph, _INITIALIZER):
            name, external = _tensor(tensor)
            if external is not None:
                found[name] = external
    return found


def rewritable_names(model: bytes) -> set[str]:
    """Return the names of what onnxruntime's optimisation may write anew under the same name.

    When it moves a transpose behind a sum or a product by elements, it transposes a constant of it
    in place: a layer scale [1, C, 1, 1] becomes [1, 1, 1, C]. Weights that a session is given from
    outside keep their first layout, and are then wrong, silently where C is H or W.

    Raises:
        ValueError: the bytes are no such message.
    """
    names = set[str]()
    for graph in _messages(memoryview(model), _GRAPH):
        for node in _messages(graph, _NODE):
            inputs, operator, domain = _node(node)
            if not domain and operator not in _LEFT_ALONE:
                names.update(inputs)
    return names


def _node(message: memoryview) -> tuple[list[str], str, str]:
    """Return the inputs, the operator and the domain of a node; ONNX's own is empty."""
    inputs, operator, domain = list[str](), "", ""
    for field, value in _fields(message):
        if isinstance(value, int):
            continue
        if field == _INPUT:
            inputs.append(_text(value))
        elif field == _OP_TYPE:
            operator = _text(value)
        elif field == _DOMAIN:
            domain = _text(value)
    return inputs, operator, domain


def _tensor(message: memoryview) -> tuple[str, ExternalTensor | None]:
    name, dtype, location = "", 0, 0
    shape: list[int] = []
    entries: dict[str, str] = {}
    for field, value in _fields(message):
        if field == _DIMS:
            shape += [value] if isinstance(value, int) else _varints(value)
        elif field == _DATA_TYPE and isinstance(value, int):
            dtype = value
        elif field == _DATA_LOCATION and isinstance(value, int):
            location = value
        elif field == _NAME and not isinstance(value, int):
            name = _text(value)
        elif field == _EXTERNAL_DATA and not isinstance(value, int):
            strings = {
                key: _text(text) for key, text in _fields(value) if not isinstance(text, int)
            }
            entries[strings.get(_KEY, "")] = strings.get(_VALUE, "")
    if location != _EXTERNAL or dtype not in _DTYPES:
        return name, None
    file, offset = entries.get("location", ""), int(entries.get("offset", "0"))
    return name, ExternalTensor(file, np.dtype(_DTYPES[dtype]), dtype, tuple(shape), offset)


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, value in _fields(message):
        if field == wanted and not isinstance(value, int):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of the fields that are integers or bytes; the others are skipped."""
    start = 0
    while start < len(message):
        key, start = _varint(message, start)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, start = _varint(message, start)
            yield field, value
            continue
        if kind == _LENGTH:
            length, start = _varint(message, start)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} of field {field} is none of 0, 1, 2 and 5")
        if start + length > len(message):
            raise ValueError(f"field {field} ends {start + length - len(message)} bytes too late")
        if kind == _LENGTH:
            yield field, message[start : start + length]
        start += length


def _varint(message: memoryview, start: int) -> tuple[int, int]:
    """Return an integer of seven bits a byte, and the place behind it."""
    value = 0
    for place, byte in enumerate(message[start : start + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, start + place + 1
    raise ValueError("an integer does not end")


def _varints(message: memoryview) -> list[int]:
    values, start = [], 0
    while start < len(message):
        value, start = _varint(message, start)
        values.append(value)
    return values


def _text(message: memoryview) -> str:
    return bytes(message).decode("utf-8")
