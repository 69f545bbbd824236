"""Cases of the search tests: adversarial matrices, brute force, and the implementations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinlens.search.engine import SearchEngine
from twinlens_kernels import NATIVE, Ranges, reference, search

if NATIVE:
    from twinlens_kernels import native

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Found = tuple[NDArray[np.int64], F64]
Maker = Callable[[np.random.Generator, tuple[int, int]], F32]

LARGEST: Final = np.finfo(np.float32).max
PATHS: Final[tuple[str, ...]] = native.PATHS if NATIVE else ()
"""Instruction sets that run here."""
IMPLEMENTATIONS: Final = ("numpy", *PATHS)

KINDS: Final = st.tuples(st.integers(0, 99), st.integers(0, 99))
"""Kinds of two matrices, for `draw`."""
SEEDS: Final = st.integers(0, 2**32 - 1)


def spread(random: np.random.Generator, shape: tuple[int, int], low: int, high: int) -> F32:
    """Normal numbers, each times a power of two of its own, within float32."""
    exponents = random.integers(low, high, size=shape, endpoint=True)
    wide = np.ldexp(random.standard_normal(shape), exponents)
    return np.clip(wide, -LARGEST, LARGEST).astype(np.float32)


def near_ties(random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """One row repeated, some components one ulp up or down."""
    row = random.standard_normal(shape[1]).astype(np.float32)
    steps = np.float32(np.inf) * random.choice([-1, 1], size=shape)
    nudged = np.nextafter(row, steps.astype(np.float32))
    return np.where(random.random(shape) < 0.1, nudged, row)


def ascending(random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """Each row longer than the last, so that for half of all queries each beats all before it."""
    row = random.standard_normal(shape[1])
    return np.outer(np.arange(shape[0]), row).astype(np.float32)


def zero_rows(random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """Normal rows, most of them zero, some of those minus zero."""
    rows = random.standard_normal(shape).astype(np.float32)
    return rows * (random.random((shape[0], 1)) < 0.2).astype(np.float32)


MATRICES: Final[Mapping[str, Maker]] = {
    "normal": lambda random, shape: spread(random, shape, 0, 0),
    "small integers": lambda random, shape: random.integers(-1, 2, shape).astype(np.float32),
    "duplicates": lambda random, shape: np.repeat(spread(random, (1, shape[1]), 0, 0), shape[0], 0),
    "near ties": near_ties,
    "ascending": ascending,
    "zero rows": zero_rows,
    "subnormal": lambda random, shape: spread(random, shape, -149, -127),
    "tiny": lambda random, shape: spread(random, shape, -80, -60),
    "huge": lambda random, shape: spread(random, shape, 125, 128),
    "rows of any length": lambda random, shape: (
        spread(random, (shape[0], 1), -149, 127) * np.ones(shape, dtype=np.float32)
    ),
    "components of any size": lambda random, shape: spread(random, shape, -149, 127),
    "zero": lambda _, shape: np.zeros(shape, dtype=np.float32),
}
"""Random float32 matrices of a shape, each kind adversarial in its own way."""


def draw(kind: int, random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """A matrix of one of the kinds."""
    makers = list(MATRICES.values())
    return makers[kind % len(makers)](random, shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCase:
    """One search, to be compared with brute force."""

    queries: F32
    """[Q, D]"""
    rows: F32
    """[N, D]"""
    k: int
    allowed: Mask | None
    """[N]; None for no filter."""
    random: np.random.Generator
    """For whatever else a test draws."""


def search_cases(
    *,
    n_queries: int,
    n_rows: tuple[int, int],
    width: int,
    k: int,
    shares: Sequence[float | None] = (None, 0.0, 0.02, 0.5, 1.0),
) -> st.SearchStrategy[SearchCase]:
    """Searches of any two kinds of matrices.

    Args:
        n_queries: at most so many.
        n_rows: at least and at most so many.
        width: at most.
        k: at most.
        shares: of the rows that are allowed; None for no filter.
    """

    def make(
        kinds: tuple[int, int], shape: tuple[int, int, int], k: int, share: float | None, seed: int
    ) -> SearchCase:
        random = np.random.default_rng(seed)
        queries = draw(kinds[0], random, (shape[0], shape[2]))
        rows = draw(kinds[1], random, (shape[1], shape[2]))
        allowed = None if share is None else random.random(len(rows)) < share
        return SearchCase(queries=queries, rows=rows, k=k, allowed=allowed, random=random)

    shapes = st.tuples(st.integers(0, n_queries), st.integers(*n_rows), st.integers(1, width))
    return st.builds(make, KINDS, shapes, st.integers(1, k), st.sampled_from(shares), SEEDS)


def unit_rows(random: np.random.Generator, n_rows: int, width: int = 32, *, mean: float = 0) -> F32:
    """Unit rows; with a mean, about a common one, as embeddings lie."""
    rows = mean + random.standard_normal((n_rows, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def mean_row(rows: F32) -> F32:
    middle: F32 = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    return middle


@contextmanager
def served_by(implementation: str) -> Iterator[None]:
    """Let `twinlens_kernels` run one of the implementations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "NATIVE", implementation != "numpy")
        patch.setattr(search, "PATH", implementation)
        yield


def every_score(queries: F32, rows: F32) -> F64:
    """The scores [Q, N] by definition."""
    scores = np.empty((len(queries), len(rows)))
    for row, query in enumerate(queries.astype(np.float64)):
        scores[row] = reference.halving_sum(rows.astype(np.float64) * query)
    return scores


def assert_topk(found: Found, queries: F32, rows: F32, k: int, allowed: Mask | None = None) -> None:
    """Ids, order and scores are those of brute force."""
    ids, scores = found
    kept = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    positions, wanted = reference.topk(queries, rows[kept], k)
    np.testing.assert_array_equal(ids, kept[positions])
    np.testing.assert_array_equal(scores, wanted)
    assert (ids.dtype, scores.dtype) == (np.int64, np.float64)


def assert_engine(
    engine: SearchEngine, queries: F32, rows: F32, k: int, allowed: Mask | None = None
) -> None:
    """The engine's hits are those of brute force."""
    assert_topk(engine.topk(queries, k, allowed=allowed), queries, rows, k, allowed)


def assert_ranges(
    ranges: Ranges, queries: F32, rows: F32, floors: F64, allowed: Mask | None = None
) -> None:
    """Ids, order and scores of a range search are those of brute force."""
    scores = every_score(queries, rows)
    hits = scores >= floors[:, None]
    if allowed is not None:
        hits &= allowed
    np.testing.assert_array_equal(np.diff(ranges.starts), hits.sum(axis=1))
    for query in range(len(queries)):
        part = slice(ranges.starts[query], ranges.starts[query + 1])
        ids = np.flatnonzero(hits[query])
        ids = ids[np.argsort(-scores[query, ids], kind="stable")]
        np.testing.assert_array_equal(ranges.ids[part], ids)
        np.testing.assert_array_equal(ranges.scores[part], scores[query, ids])
    assert (ranges.starts.dtype, ranges.ids.dtype) == (np.int64, np.int64)
    assert ranges.scores.dtype == np.float64
