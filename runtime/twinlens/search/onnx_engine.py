"""Search engine of ONNX Runtime, for CPUs without compiled kernels: exact top-k by codes."""

import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.ort.cpu_features import may_saturate
from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.search.candidates import Candidates
from twinlens.search.engine import require_search
from twinlens.search.row_batches import RowBatch, RowBatches
from twinlens.search.shortlist import Ranking
from twinlens_kernels import Codes, rescore, topk
from twinlens_kernels.encoding.query_codes import LARGEST_TERM, LARGEST_WIDTH, CodedQueries
from twinlens_kernels.graphs.upper_bounds import UPPERS

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

_BLOCK_QUERIES: Final = 256
"""Queries screened at once: their products with some thousand rows stay in the cache."""
_RUN_SCORES, _LEAST_ROWS, _MOST_ROWS = 2**20, 4096, 32768
"""Bounds of one run, and its least and most rows."""
_FIRST_ROWS, _FIRST_PER_HIT = 2048, 8
"""Rows behind the first threshold: this many, or this many a hit."""
_GROWTH: Final = 4
"""The threshold is raised whenever 4 times as many rows have been screened."""
_ROWS_PER_CANDIDATE, _CANDIDATES_PER_HIT = 64, 64
"""With more candidates than 1 row in 64 and 64 a hit, float32 products search a query faster."""
_ROWS_PER_RESCORED: Final = 50
"""Least rows for each hit of a block of queries; see `codes_pay`."""
_LARGEST_CODE, _LARGEST_SAFE_CODE = 127, 63
"""Largest code of a query. Processors that add two products in 16 bits saturate: 63 is safe there,
as 2 * 63 * 255 < 2**15."""


class OnnxEngine:
    """`SearchEngine` of coded rows [N, D] by ONNX Runtime.

    onnxruntime computes upper bounds of all scores from 8-bit codes, some thousand rows at a time.
    Pairs with a bound that reaches the threshold, the worst hit so far, are rescored from the
    float32 rows, which may be memory-mapped. If too many pairs remain, or float32 products are
    faster (`codes_pay`), `twinlens_kernels.topk` searches without codes.

    Added rows need a new engine, at almost no cost.
    """

    def __init__(self, rows: F32, codes: Codes, *, threads: int) -> None:
        """Open the session of the bounds over rows [N, D] and their codes, with so many threads."""
        self._rows, self._codes = rows, codes
        self._session = Session(
            UPPERS.content, device=CPU, threads=threads, name="the search of codes"
        )
        self._largest_code = _LARGEST_SAFE_CODE if may_saturate() else _LARGEST_CODE

    def __len__(self) -> int:
        return len(self._rows)

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[I64, NDArray[np.float64]]:
        """Return ids and scores [Q, K] as every `SearchEngine` does."""
        require_search(queries, self._rows, k, allowed, threads)
        batches = RowBatches.of(len(self), allowed)
        hits = min(k, len(batches))
        ids = np.empty((len(queries), hits), dtype=np.int64)
        scores = np.empty((len(queries), hits))
        uncertain = np.ones(len(queries) if hits else 0, dtype=np.bool_)
        coded = self._rows.shape[1] < LARGEST_WIDTH and codes_pay(len(batches), len(queries), hits)
        for start in range(0, len(uncertain) if coded else 0, _BLOCK_QUERIES):
            block = slice(start, start + _BLOCK_QUERIES)
            ranking = self._ranking(queries[block], hits, batches, threads)
            ids[block], uncertain[block] = ranking.ids, ~ranking.certain
            scores[block] = ranking.scores
        if uncertain.any():
            logger.info("%d queries are searched without codes", np.count_nonzero(uncertain))
            ids[uncertain], scores[uncertain] = topk(
                queries[uncertain], self._rows, k, allowed=allowed, threads=threads
            )
        return ids, scores

    def _ranking(self, queries: F32, hits: int, batches: RowBatches, threads: int) -> Ranking:
        """Return the best rows of some queries; a query that was given up is not certain."""
        coded = CodedQueries.of(queries, self._codes.centre, largest=self._largest_code)
        first = batches.first(max(_FIRST_ROWS, _FIRST_PER_HIT * hits))
        positions, _ = topk(queries, self._rows[first.rows], hits, threads=threads)
        ids = first.row_numbers(positions)
        candidates = Candidates(ids, rescore(queries, self._rows, ids, threads=threads))
        n_bounded = n_ranked = first.n_rows
        step = int(np.clip(_RUN_SCORES // len(queries), _LEAST_ROWS, _MOST_ROWS))
        for batch in batches.rest(n_bounded, step):
            bounds = self._bounds(coded, batch)
            reached = bounds >= coded.thresholds(candidates.thresholds)
            of_row, of_query = batch.allowed_pairs(reached)
            uppers = coded.uppers(bounds[of_row, of_query], of_query)
            candidates.add(of_query, batch.row_numbers(of_row), uppers)
            n_bounded += len(bounds)
            candidates.give_up(n_bounded // _ROWS_PER_CANDIDATE + _CANDIDATES_PER_HIT * hits)
            if n_bounded >= _GROWTH * n_ranked:
                candidates.rank(queries, self._rows, threads=threads)
                n_ranked = n_bounded
        return candidates.rank(queries, self._rows, threads=threads)

    def _bounds(self, queries: CodedQueries, batch: RowBatch) -> F32:
        """Return upper bounds [n, Q] of the scores, in units of each query."""
        terms = self._codes.terms[batch.rows]
        feeds: dict[str, NDArray[np.uint8] | NDArray[np.int8] | F32] = {
            "codes": self._codes.codes[batch.rows],
            "terms": terms,
            "queries": queries.codes,
            "per_left": queries.per_left,
            "per_coded": queries.per_coded,
        }
        (bounds,) = self._session.run_bound(feeds, ("uppers",))
        if terms.max() > LARGEST_TERM:
            bounds[(terms > LARGEST_TERM).any(axis=1)] = np.inf
        return bounds


def codes_pay(n_rows: int, n_queries: int, hits: int) -> bool:
    """Return True if codes are faster than float32 products: less is read, more is rescored.

    Speed-up over the kernels in numpy (one thread; CLIP-like rows of width 512, texts and
    images as queries; Xeon with AMX), by rows, queries and hits:

        rows   1 query        16 queries     256 queries
               k=10  k=100    k=10  k=100    k=10  k=100
        10k     1.5    1.2     1.2    0.7     0.7    0.5
        100k    3.4    3.2     3.4    1.5     1.1    0.5
        1M      3.5    3.8     4.7    3.1     3.0    1.2

    On two threads (10k and 100k rows) the gain of batches is less: 1.3 at (100k, 16, 10), 0.9 at
    (100k, 16, 100), 0.8 at (100k, 256, 10).
    """
    return n_rows >= _ROWS_PER_RESCORED * min(n_queries, _BLOCK_QUERIES) * hits
