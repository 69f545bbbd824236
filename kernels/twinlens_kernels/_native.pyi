import numpy as np
from numpy.typing import NDArray

# Brings the heaps `best_scores`, `best_ids` [Q, K] up to date with a tile of `scores` [Q, N].
def sift(
    *,
    scores: NDArray[np.float32],
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    reach: NDArray[np.float32],
    lengths: NDArray[np.float32],
    units: NDArray[np.float64],
    first_row: int,
    best_scores: NDArray[np.float64],
    best_ids: NDArray[np.int64],
    threads: int,
) -> None: ...
