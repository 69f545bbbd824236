"""Memory-mapped arrays: their map, and access hints (madvise), no-ops on systems without it."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_of(items: NDArray[Any]) -> mmap.mmap | None:
    """Return the map behind an array, or None for an array in memory."""
    base = _root(items).base
    return base if isinstance(base, mmap.mmap) else None


def expect_scattered(items: NDArray[Any]) -> None:
    """Announce random access: the system then fetches no 128 KiB around each row of 2 KiB."""
    mapped = map_of(items)
    if mapped is not None and hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)


def read_ahead(items: NDArray[Any]) -> None:
    """Fetch a slice as a whole, before it is read in order."""
    mapped = map_of(items)
    if mapped is not None and items.nbytes and hasattr(mmap, "MADV_WILLNEED"):
        start = items.ctypes.data - _root(items).ctypes.data
        skipped = start % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, start - skipped, items.nbytes + skipped)


def _root(items: NDArray[Any]) -> NDArray[Any]:
    while isinstance(items.base, np.ndarray):
        items = items.base
    return items
