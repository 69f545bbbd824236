"""Reference of exact top-k, in plain numpy; every implementation must give these numbers.

The score of a pair is a float64 sum of D products. A product of two float32 numbers is exact in
float64, so only the order of the additions has to be fixed; `halving_sum` fixes it. No score
depends on the rest of its batch, on blocking, on threads or on the BLAS in use.
"""

import numpy as np
from numpy.typing import NDArray


def halving_sum(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum each row of [P, D] to [P]: add its upper half onto its lower until one number is left.

    With an odd count the middle number stays. D >= 1; overwrites `products`.
    """
    left = products.shape[1]
    while left > 1:
        half = (left + 1) // 2
        products[:, : left - half] += products[:, half:left]
        left = half
    return products[:, 0]


def topk(
    queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and scores [Q, K] of the K = min(k, N) best rows, best first, by brute force.

    Of equal scores the lower row comes first. All numbers are finite, k >= 1, D >= 1.
    """
    hits = min(k, len(corpus))
    ids = np.empty((len(queries), hits), dtype=np.int64)
    scores = np.empty((len(queries), hits), dtype=np.float64)
    for row, query in enumerate(queries):
        scored = halving_sum(corpus.astype(np.float64) * query.astype(np.float64))
        ids[row] = np.argsort(-scored, kind="stable")[:hits]
        scores[row] = scored[ids[row]]
    return ids, scores
