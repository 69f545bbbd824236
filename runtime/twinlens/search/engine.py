"""What searches rows, wherever they lie."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.validation import (
    require_allowed,
    require_finite_rows,
    require_positive,
    require_rows,
    require_same_width,
)

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


class SearchEngine(Protocol):
    """Finds the best of the rows [N, D] that it was made for.

    Every searcher gives the answer of `twinlens_kernels.topk` over the same rows, to the last bit.
    It never changes, and any number of threads may use it.
    """

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[I64, F32]:
        """Ids [Q, K] and scores [Q, K] of the K best rows for each query [Q, D], best first.

        Args:
            queries: [Q, D].
            k: K is k, or the number of rows allowed if that is smaller.
            allowed: [N]; a row that is False here is as good as not in the corpus.
            threads: of the host.

        Raises:
            TypeError: queries is not a float32 array, or allowed is not a bool array.
            ValueError: the shapes do not fit, a number is out of range, or a query is not finite.
            ProviderError: a device failed, or has no room for the scores.
        """


def require_search(queries: F32, rows: F32, k: int, allowed: Mask | None, threads: int) -> None:
    """Refuse what no searcher of rows [N, D] takes, in the words of the kernels."""
    require_rows("queries", queries)
    require_same_width(queries, rows)
    require_finite_rows("queries", queries)
    require_positive("k", k)
    require_positive("threads", threads)
    if allowed is not None:
        require_allowed(allowed, len(rows))
