"""Rows that an index of codes alone stands for."""

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexFileError
from twinlens.index.snapshot import Snapshot
from twinlens_kernels.encoding.dequantise import dequantise

_SLACK = 1 + 2.0**-10
"""Pays for the rounding of a length in float64, and of the error."""


def coded_rows(snapshot: Snapshot, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the dequantised rows [n, D] of these numbers.

    Raises:
        IndexFileError: a row is damaged: it is further from length 1, and from 0, than its error.
    """
    rows = dequantise(snapshot.codes, numbers)
    wide = rows.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    reach = _SLACK * snapshot.errors[numbers].astype(np.float64)
    # False for NaN, too.
    whole = (np.abs(lengths - 1) <= reach) | (lengths <= reach)
    if not whole.all():
        bad = int(np.argmin(whole))
        raise IndexFileError(
            f"row {numbers[bad]} of the index is damaged: its length is {lengths[bad]:.9g}, wanted "
            f"1 within {reach[bad]:.3g}; call verify, and build the index again"
        )
    return rows
