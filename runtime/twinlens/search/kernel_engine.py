"""Search engine of the native kernels, with numpy as their fallback."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twinlens.search.engine import require_search
from twinlens_kernels import Codes, topk
from twinlens_kernels.search import CodedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelEngine:
    """Engine without requirements: `twinlens_kernels.topk` over rows and their codes."""

    rows: NDArray[np.float32]
    """[N, D] unit rows."""
    codes: Codes | None
    coded: CodedRows | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "coded", CodedRows.of(self.rows, self.codes))

    def topk(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and scores [Q, K] as every `SearchEngine` does."""
        if self.coded is not None:
            require_search(queries, self.rows, k, allowed, threads)
            return self.coded.topk(queries, k, allowed=allowed, threads=threads)
        return topk(
            queries,
            self.rows,
            k,
            codes=self.codes,
            allowed=allowed,
            threads=threads,
        )
