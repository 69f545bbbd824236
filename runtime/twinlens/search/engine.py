"""Protocol of the search engines, and the checks of their arguments."""

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
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class SearchEngine(Protocol):
    """Exact top-k search of fixed rows [N, D].

    Every engine gives the result of `twinlens_kernels.topk` over the same rows, to the last bit.
    An engine is immutable, and any number of threads may use it.
    """

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[I64, F64]:
        """Return ids and exact scores [Q, K] of the K best rows of each query [Q, D], best first.

        Args:
            queries: [Q, D].
            k: K is k, or the number of allowed rows if that is smaller.
            allowed: [N]; rows with False are ignored.
            threads: threads on the CPU.

        Raises:
            TypeError: queries is not a float32 array, or allowed is not a bool array.
            ValueError: the shapes do not fit, a number is out of range, or a query is not finite.
            ProviderError: a device failed, or is out of memory for the scores.
        """


def require_search(queries: F32, rows: F32, k: int, allowed: Mask | None, threads: int) -> None:
    """Refuse wrong arguments of a search of rows [N, D], with the kernels' error messages."""
    require_rows("queries", queries)
    require_same_width(queries, rows)
    require_finite_rows("queries", queries)
    require_positive("k", k)
    require_positive("threads", threads)
    if allowed is not None:
        require_allowed(allowed, len(rows))
