"""Embeddings as rows, and the batches of items that they are made of."""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
T = TypeVar("T")

BATCH: Final = 32
"""Size at which the peers' own loops cut a large batch."""


def batches(items: Sequence[T], size: int = BATCH) -> list[Sequence[T]]:
    """Cut items into batches of `size`; the last one may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def normalized(rows: F32) -> F32:
    """Return rows [B, D], or one row [D], scaled to length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
