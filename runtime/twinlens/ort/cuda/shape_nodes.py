"""The nodes of an ONNX program that are computed from the sides of its tensors alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SOURCES: Final = frozenset({"Shape", "Size"})
_FEW: Final = 16
"""Numbers of a constant that counts as a side or a handful of them; a table has more."""

# The fields of onnx.proto that are read here, by number.
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_INPUT, _OUTPUT, _NAME, _OPERATOR, _DOMAIN = 1, 2, 3, 4, 7
_DIMS, _TENSOR_NAME = 1, 8


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def shape_nodes(program: Path | bytes) -> frozenset[str]:
    """The names of the nodes that read no number of a tensor: only sides, and few constants.

    They are small whatever they do, so onnxruntime runs them on the CPU on purpose. The file is
    read as protocol buffers are laid out (protobuf.dev, "Encoding"); onnx is not installed where
    programs run.
    """
    content = program if isinstance(program, bytes) else program.read_bytes()
    nodes, known = _graph(content)
    found = set()
    for node in nodes:
        if node.operator == "Constant":
            known.update(node.outputs)
            continue
        from_sides = any(name in known for name in node.inputs if name)
        if node.operator in _SOURCES or (
            from_sides and all(name in known for name in node.inputs if name)
        ):
            found.add(node.name)
            known.update(node.outputs)
    return frozenset(found - {""})


def _graph(content: bytes) -> tuple[list[_Node], set[str]]:
    """The nodes of a model's graph in their order, and its constants of few numbers."""
    nodes, small = [], set()
    for number, graph in _fields(content):
        if number != _GRAPH or not isinstance(graph, bytes):
            continue
        for inner, value in _fields(graph):
            if inner == _NODE and isinstance(value, bytes):
                nodes.append(_node(value))
            elif inner == _INITIALIZER and isinstance(value, bytes):
                name, size = _tensor(value)
                if size <= _FEW:
                    small.add(name)
    return nodes, small


def _node(content: bytes) -> _Node:
    texts: dict[int, list[str]] = {}
    for number, value in _fields(content):
        if number in (_INPUT, _OUTPUT, _NAME, _OPERATOR, _DOMAIN) and isinstance(value, bytes):
            texts.setdefault(number, []).append(value.decode())
    domain = texts.get(_DOMAIN, [""])[0]
    operator = texts[_OPERATOR][0]
    return _Node(
        name=texts.get(_NAME, [""])[0],
        operator=f"{domain}.{operator}" if domain else operator,
        inputs=tuple(texts.get(_INPUT, ())),
        outputs=tuple(texts.get(_OUTPUT, ())),
    )


def _tensor(content: bytes) -> tuple[str, int]:
    """Name and count of numbers."""
    name, sides = "", list[int]()
    for number, value in _fields(content):
        if number == _TENSOR_NAME and isinstance(value, bytes):
            name = value.decode()
        elif number == _DIMS:
            sides += [value] if isinstance(value, int) else _varints(value)
    return name, math.prod(sides)


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of every field of a message."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            size, at = _varint(content, at)
        yield key >> 3, content[at : at + size]
        at += size


def _varints(content: bytes) -> list[int]:
    found, at = [], 0
    while at < len(content):
        value, at = _varint(content, at)
        found.append(value)
    return found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next one begins."""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
