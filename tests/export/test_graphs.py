"""The kernels that are ONNX programs are what their text says."""

import pytest

pytest.importorskip("onnx")

from onnx import checker
from onnx.parser import parse_model

from twinlens_kernels.graphs import PAIRING


def test_the_bytes_of_the_pairing_program_are_its_text() -> None:
    model = parse_model(PAIRING.text)
    checker.check_model(model, full_check=True)
    assert model.SerializeToString() == PAIRING.content
