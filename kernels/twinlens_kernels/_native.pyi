import numpy as np
from numpy.typing import NDArray

# Brings the heaps `best_scores`, `best_ids` [Q, K] up to date with a tile of `scores` [Q, N].
def update_topk(
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

# Features of this processor that its system lets this process use; names as in cpu/features.hpp.
def cpu_features() -> list[str]: ...

# Names of the instruction sets that run here, best first: the values of `path` below.
def paths() -> list[str]: ...

# Writes codes, residual and terms (codes.py); the first row that is not finite, or -1.
def encode(
    *,
    rows: NDArray[np.float32],
    centre: NDArray[np.float32],
    codes: NDArray[np.uint8],
    residual: NDArray[np.uint8] | None,
    terms: NDArray[np.float32],
    threads: int,
    path: str = "",
) -> int: ...

# Rows [N, D] with their codes, and which of them may be found.
class Coded:
    def __init__(
        self,
        *,
        rows: NDArray[np.float32],
        codes: NDArray[np.uint8],
        residual: NDArray[np.uint8] | None,
        terms: NDArray[np.float32],
        centre: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None,
    ) -> None: ...

# Writes ids and scores [Q, K]; at least K rows are allowed, and the queries are finite.
def topk(
    *,
    coded: Coded,
    queries: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    mapped: bool,
    threads: int,
    path: str = "",
) -> None: ...

# Query, row and score of each hit, in any order; the queries are finite.
def within(
    *,
    coded: Coded,
    queries: NDArray[np.float32],
    floors: NDArray[np.float64],
    threads: int,
    path: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...

# Writes the scores [Q, C] of rows that exist.
def rescore(
    *,
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    threads: int,
) -> None: ...

# Codes without rows, and which of the rows that they stand for may be found.
class CodesAlone:
    def __init__(
        self,
        *,
        codes: NDArray[np.uint8],
        residual: NDArray[np.uint8] | None,
        terms: NDArray[np.float32],
        centre: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None,
    ) -> None: ...

# As topk, over the dequantised rows.
def topk_alone(
    *,
    alone: CodesAlone,
    queries: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    threads: int,
    path: str = "",
) -> None: ...

# As within, over the dequantised rows.
def within_alone(
    *,
    alone: CodesAlone,
    queries: NDArray[np.float32],
    floors: NDArray[np.float64],
    threads: int,
    path: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...

# Turns scores [Q, K] into cosines and orders ids [Q, K] by them; states [Q] of hit_cosines.hpp.
def hit_cosines(
    *,
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    states: NDArray[np.int8],
    odd: float,
    margin: float,
    threads: int,
) -> None: ...

# Writes estimates [N, Q] of the cosines of unit queries with rows of any length: estimate_row.hpp.
def estimate32(
    *,
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    estimates: NDArray[np.float32],
    threads: int,
) -> None: ...
def estimate64(
    *,
    rows: NDArray[np.float64],
    queries: NDArray[np.float64],
    estimates: NDArray[np.float32],
    threads: int,
) -> None: ...

# Input pixels and weights of each output pixel along one axis.
class Taps: ...

def taps(*, size: int, start: float, stop: float, length: int, filter_name: str) -> Taps: ...

# A view [height, width, 4] of what two capsules of Arrow hold.
def pixels(*, schema: object, array: object, height: int, width: int) -> NDArray[np.uint8]: ...

# From source [N, size, 4] into target [N, length, 3].
def across(
    *, source: NDArray[np.uint8], taps: Taps, target: NDArray[np.uint8], path: str = ""
) -> None: ...

# From source [size, W, C] into target [length, W, C].
def down(
    *, source: NDArray[np.uint8], taps: Taps, target: NDArray[np.uint8], path: str = ""
) -> None: ...
