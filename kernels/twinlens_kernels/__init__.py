"""Kernels of twinlens: always importable, served by C++ where it was compiled and else by numpy."""

from twinlens_kernels.codes import Codes
from twinlens_kernels.compiled import NATIVE
from twinlens_kernels.cpu import cpu_features
from twinlens_kernels.range_hits import Ranges
from twinlens_kernels.search import PATH, encode, rescore, squared_lengths, topk, within

__all__ = [
    "NATIVE",
    "PATH",
    "Codes",
    "Ranges",
    "cpu_features",
    "encode",
    "rescore",
    "squared_lengths",
    "topk",
    "within",
]
