"""The ONNX kernels: their bytes are their text, parsed."""

import pytest

pytest.importorskip("onnx")

from onnx import checker
from onnx.parser import parse_model

from twinlens_kernels.graphs import NEAREST, PAIRING, UPPERS, Program


@pytest.mark.parametrize(
    "program", [NEAREST, PAIRING, UPPERS], ids=["nearest", "pairing", "uppers"]
)
def test_the_bytes_of_a_program_are_its_text(program: Program) -> None:
    model = parse_model(program.text)
    checker.check_model(model, full_check=True)
    assert model.SerializeToString() == program.content
