"""Exact top-k over coded rows on a CPU for which no kernels are compiled."""

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
from twinlens_kernels.graphs import UPPERS
from twinlens_kernels.query_codes import LARGEST_TERM, LARGEST_WIDTH, CodedQueries

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

_BLOCK_QUERIES: Final = 256
"""Queries bounded at once: their products with some thousand rows stay in the cache."""
_RUN_SCORES, _LEAST_ROWS, _MOST_ROWS = 2**20, 4096, 32768
"""Bounds that one run makes, and its rows at least and at most."""
_FIRST_ROWS, _FIRST_PER_HIT = 2048, 8
"""The first floor is that of so many rows, or so many a hit."""
_GROWTH: Final = 4
"""The floor is raised whenever so many times more rows have been screened."""
_DENSE: Final = 2
"""With one row in so many allowed, all are screened; with fewer, only those."""
_CROWD, _CROWD_PER_HIT = 64, 64
"""A query with more rows to rescore than one in so many, and so many a hit, is better searched by
float32 products."""
_ROWS_PER_RESCORED: Final = 50
"""Rows that there must be for each hit of a block; see `pays`."""
_LARGEST_CODE, _LARGEST_SAFE_CODE = 127, 63
"""Of a query; a processor that adds two products in 16 bits can add those of 63 and 255."""


class OnnxEngine:
    """The best rows [K] of coded rows [N, D] for each query, exactly as `twinlens_kernels.topk`.

    onnxruntime bounds the scores of all pairs from 8-bit codes, some thousand rows at a time. Those
    pairs whose bound reaches the floor, the worst hit so far, are rescored from the float32 rows,
    which may be memory-mapped. Where the codes hold back too little, and where float32 products are
    faster (`pays`), the kernels search.

    It is a `Searcher`. Rows that are added want a new one, which costs next to nothing.
    """

    def __init__(self, rows: F32, codes: Codes, *, threads: int) -> None:
        """Search rows [N, D] by their codes, with so many threads in the products."""
        self._rows, self._codes = rows, codes
        self._session = Session(
            UPPERS.content, device=CPU, threads=threads, name="the search of codes"
        )
        self._largest_code = _LARGEST_SAFE_CODE if may_saturate() else _LARGEST_CODE

    def __len__(self) -> int:
        return len(self._rows)

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[I64, F32]:
        """Ids [Q, K] and scores [Q, K], as every `Searcher` gives them."""
        require_search(queries, self._rows, k, allowed, threads)
        scope = RowBatches.of(len(self), allowed)
        hits = min(k, len(scope))
        ids = np.empty((len(queries), hits), dtype=np.int64)
        scores = np.empty((len(queries), hits), dtype=np.float32)
        unsettled = np.ones(len(queries) if hits else 0, dtype=np.bool_)
        coded = self._rows.shape[1] < LARGEST_WIDTH and pays(len(scope), len(queries), hits)
        for start in range(0, len(unsettled) if coded else 0, _BLOCK_QUERIES):
            block = slice(start, start + _BLOCK_QUERIES)
            ranking = self._ranking(queries[block], hits, scope, threads)
            ids[block], unsettled[block] = ranking.ids, ~ranking.certain
            # Beyond float32 a score is reported as infinite; its place is still exact.
            with np.errstate(over="ignore"):
                scores[block] = ranking.scores
        if unsettled.any():
            logger.info("%d queries are searched without codes", np.count_nonzero(unsettled))
            ids[unsettled], scores[unsettled] = topk(
                queries[unsettled], self._rows, k, allowed=allowed, threads=threads
            )
        return ids, scores

    def _ranking(self, queries: F32, hits: int, scope: RowBatches, threads: int) -> Ranking:
        """The best rows of some queries; not certain are those that were given up."""
        coded = CodedQueries.of(queries, self._codes.centre, largest=self._largest_code)
        first = scope.first(max(_FIRST_ROWS, _FIRST_PER_HIT * hits))
        places, _ = topk(queries, self._rows[first.rows], hits, threads=threads)
        ids = first.numbers(places)
        rivals = Candidates(ids, rescore(queries, self._rows, ids, threads=threads))
        n_bounded = n_ranked = first.n_rows
        step = int(np.clip(_RUN_SCORES // len(queries), _LEAST_ROWS, _MOST_ROWS))
        for run in scope.rest(n_bounded, step):
            bounds = self._bounds(coded, run)
            of_row, of_query = run.hopeful(bounds >= coded.thresholds(rivals.floors))
            uppers = coded.uppers(bounds[of_row, of_query], of_query)
            rivals.add(of_query, run.numbers(of_row), uppers)
            n_bounded += len(bounds)
            rivals.give_up(n_bounded // _CROWD + _CROWD_PER_HIT * hits)
            if n_bounded >= _GROWTH * n_ranked:
                rivals.rank(queries, self._rows, threads=threads)
                n_ranked = n_bounded
        return rivals.rank(queries, self._rows, threads=threads)

    def _bounds(self, queries: CodedQueries, run: RowBatch) -> F32:
        """Upper bounds [n, Q], in units of each query."""
        terms = self._codes.terms[run.rows]
        feeds: dict[str, NDArray[np.uint8] | NDArray[np.int8] | F32] = {
            "codes": self._codes.codes[run.rows],
            "terms": terms,
            "queries": queries.codes,
            "per_left": queries.per_left,
            "per_coded": queries.per_coded,
        }
        (bounds,) = self._session.run_bound(feeds, ("uppers",))
        if terms.max() > LARGEST_TERM:
            bounds[(terms > LARGEST_TERM).any(axis=1)] = np.inf
        return bounds


def pays(n_rows: int, n_queries: int, hits: int) -> bool:
    """Whether codes are faster than float32 products: reading is saved, rescoring is paid.

    Times faster than the kernels in numpy (one thread; CLIP-like rows of width 512, texts and
    images as queries; Xeon with AMX), by rows, queries and hits:

        rows   1 query        16 queries     256 queries
               k=10  k=100    k=10  k=100    k=10  k=100
        10k     1.5    1.2     1.2    0.7     0.7    0.5
        100k    3.4    3.2     3.4    1.5     1.1    0.5
        1M      3.5    3.8     4.7    3.1     3.0    1.2

    On two threads (10k and 100k rows) batches gain less: 1.3 at (100k, 16, 10), 0.9 at
    (100k, 16, 100), 0.8 at (100k, 256, 10).
    """
    return n_rows >= _ROWS_PER_RESCORED * min(n_queries, _BLOCK_QUERIES) * hits
