"""The ONNX kernels: their bytes are their text, parsed."""

import pytest

pytest.importorskip("onnx")

from onnx import checker
from onnx.parser import parse_model

from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_kernels.graphs.match_matrix import MATCH_MATRIX
from twinlens_kernels.graphs.nearest import NEAREST
from twinlens_kernels.graphs.program import Program
from twinlens_kernels.graphs.upper_bounds import UPPERS


@pytest.mark.parametrize(
    "program", [NEAREST, MATCH_MATRIX, UPPERS], ids=["nearest", "pairing", "uppers"]
)
def test_the_bytes_of_a_program_are_its_text(program: Program) -> None:
    model = parse_model(program.text)
    checker.check_model(model, full_check=True)
    assert model.SerializeToString() == program.content


def test_no_node_of_the_search_belongs_on_the_cpu() -> None:
    assert shape_nodes(parse_model(NEAREST.text)) == ()
