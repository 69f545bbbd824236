"""Kernels of twinlens: always importable, served by C++ where it was compiled and else by numpy."""

from importlib.util import find_spec
from typing import Final

from twinlens_kernels.codes import Codes, encode
from twinlens_kernels.ranges import Ranges
from twinlens_kernels.search import rescore, topk, within

__all__ = ["NATIVE", "PATH", "Codes", "Ranges", "encode", "rescore", "topk", "within"]

NATIVE: Final[bool] = find_spec("twinlens_kernels._native") is not None
"""Whether the compiled kernels serve."""

PATH: Final[str] = "scalar" if NATIVE else "numpy"
"""The instructions that serve codes: amx, avx512vnni, avxvnni, avx2, neon, scalar, or numpy."""
