"""The tiny ONNX towers of the tests: their bytes are their text, parsed."""

from typing import Any

import pytest

pytest.importorskip("onnx")

from onnx.parser import parse_model


def test_the_bytes_of_the_tiny_programs_are_their_text(programs: dict[str, Any]) -> None:
    for program in programs.values():
        assert parse_model(program.text).SerializeToString() == program.content
