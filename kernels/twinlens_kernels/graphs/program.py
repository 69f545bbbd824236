"""ONNX model as a constant, for where onnx is not installed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An ONNX model as text, and the bytes that `onnx.parser.parse_model` makes of it."""

    text: str
    content: bytes
