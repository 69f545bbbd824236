"""Kernels that are ONNX programs, so that they run wherever the towers run.

A program is kept as bytes, because onnx is not installed where it runs; `tests/export` makes the
bytes from the text and compares.
"""

from twinlens_kernels.graphs.match_matrix import PAIRING
from twinlens_kernels.graphs.nearest import NEAREST, cuts, padded_rows
from twinlens_kernels.graphs.program import Program
from twinlens_kernels.graphs.upper_bounds import UPPERS

__all__ = ["NEAREST", "PAIRING", "UPPERS", "Program", "cuts", "padded_rows"]
