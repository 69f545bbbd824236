"""Search engine of the native kernels, with numpy as their fallback."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels import Codes, topk


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelEngine:
    """Engine without requirements: `twinlens_kernels.topk` over rows and their codes."""

    rows: NDArray[np.float32]
    """[N, D] unit rows."""
    codes: Codes | None

    def topk(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and scores [Q, K] as every `SearchEngine` does."""
        return topk(
            queries,
            self.rows,
            k,
            codes=self.codes,
            allowed=allowed,
            threads=threads,
        )
