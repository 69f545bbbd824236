"""Exact scores of pairs (query, corpus row), in numpy."""

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.reference import halving_sum

# Products held at once: 2 MiB of float64, so that they stay in the cache.
_PRODUCTS = 2**18


def score_pairs(
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    of_query: NDArray[np.intp],
    of_row: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the exact scores (reference.py) of P pairs."""
    scores = np.empty(len(of_query))
    step = max(1, _PRODUCTS // rows.shape[1])
    for start in range(0, len(of_query), step):
        part = slice(start, start + step)
        products = np.multiply(queries[of_query[part]], rows[of_row[part]], dtype=np.float64)
        scores[part] = halving_sum(products)
    return scores
