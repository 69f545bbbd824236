"""Ground truth: the best rows of each query by float64 brute force."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.search.corpus import BLOCK, Kind, queries_file
from twinlens_kernels.reference import halving_sum

DEPTH = 1000
# dgemm adds D <= 1024 products of unit rows in an order of its own: that moves a score by less than
# 1024 * 2**-53 = 1.2e-13. Rows this near to the last place are ranked by reference.py's own sum.
SLACK = 1e-12


def truth_file(folder: Path, rows_file: Path, kind: Kind, n_queries: int) -> Path:
    """Return the .npy file with ids [Q, 1000] of the best rows; computed once."""
    path = folder / f"truth-{kind}-{n_queries}-{rows_file.stem}.npy"
    if not path.exists():
        rows = np.load(rows_file, mmap_mode="r")
        asked = np.load(queries_file(folder, n_queries, rows.shape[1], kind))
        np.save(path, brute_force(asked, rows))
    return path


def brute_force(
    asked: NDArray[np.float32], rows: NDArray[np.float32], depth: int = DEPTH
) -> NDArray[np.int64]:
    """Return ids [Q, depth], best first by reference.py's scores; of equals, the lower row.

    Queries and rows are unit rows, and depth is at most N.
    """
    wide = asked.astype(np.float64)
    near = [np.empty(0, dtype=np.int64) for _ in asked]
    scores = [np.empty(0) for _ in asked]
    for start in range(0, len(rows), BLOCK):
        block = wide @ rows[start : start + BLOCK].astype(np.float64).T
        for query, line in enumerate(block):
            ids = np.append(near[query], np.arange(start, start + line.size))
            values = np.append(scores[query], line)
            nth = min(depth, values.size)
            stay = values >= np.partition(values, -nth)[-nth] - SLACK
            near[query], scores[query] = ids[stay], values[stay]
    pairs = zip(wide, near, strict=True)
    return np.stack([ranked(query, rows, ids)[:depth] for query, ids in pairs])


def ranked(
    query: NDArray[np.float64], rows: NDArray[np.float32], ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return ids best first; they come in ascending."""
    scores = halving_sum(rows[ids].astype(np.float64) * query)
    return ids[np.argsort(-scores, kind="stable")]


def agreement(found: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[str, float | bool]:
    """Compare the ids [Q, k] that were found with the true ones [Q, depth]."""
    wanted = truth[: len(found), : found.shape[1]]
    hits = [np.intersect1d(one, other).size for one, other in zip(found, wanted, strict=True)]
    return {
        "recall": sum(hits) / wanted.size,
        "same_ids_and_order": bool(np.array_equal(found, wanted)),
    }
