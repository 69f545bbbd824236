"""What an ONNX program is where onnx is not installed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An ONNX program as text, and the bytes that `onnx.parser.parse_model` makes of it."""

    text: str
    content: bytes
