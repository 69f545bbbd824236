"""Kernels of twinlens: always importable, served by C++ where it was compiled and else by numpy."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.tiled import Sift, tiled_topk

__all__ = ["NATIVE", "topk"]

NATIVE: bool = find_spec("twinlens_kernels._native") is not None
"""Whether the compiled kernels serve."""

_sift: Sift
# Asked, not tried: a compiled module that is there but broken must not look like one left out.
if NATIVE:
    from twinlens_kernels.native_sift import sift as _sift
else:
    from twinlens_kernels.numpy_sift import sift as _sift


def topk(
    queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int, *, threads: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids [Q, K] and inner products [Q, K] of the K = min(k, N) best corpus rows, best first.

    Exact: the order is that of the float64 scores of `reference.py`, and of equal scores the lower
    row comes first, for any finite queries [Q, D] and corpus [N, D]. No [Q, N] matrix is made.

    Args:
        queries: [Q, D].
        corpus: [N, D], possibly memory-mapped.
        k: How many hits to give for each query, at least 1.
        threads: For choosing and rescoring. The matrix product runs on the threads of numpy's BLAS.

    Raises:
        TypeError: An operand is not a float32 array.
        ValueError: The shapes do not fit, a number is out of range, or a row is not finite.
    """
    return tiled_topk(queries, corpus, k, sift=_sift, threads=threads)
