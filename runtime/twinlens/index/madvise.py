"""Access hints for memory-mapped rows (madvise); no-ops on systems without it."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def expect_scattered(items: NDArray[Any]) -> None:
    """Announce random access: the system then fetches no 128 KiB around each row of 2 KiB."""
    root = _root(items)
    if isinstance(root.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        root.base.madvise(mmap.MADV_RANDOM)


def read_ahead(items: NDArray[Any]) -> None:
    """Fetch a slice as a whole, before it is read in order."""
    root = _root(items)
    if isinstance(root.base, mmap.mmap) and items.nbytes and hasattr(mmap, "MADV_WILLNEED"):
        start = items.ctypes.data - root.ctypes.data
        skipped = start % mmap.PAGESIZE
        root.base.madvise(mmap.MADV_WILLNEED, start - skipped, items.nbytes + skipped)


def _root(items: NDArray[Any]) -> NDArray[Any]:
    while isinstance(items.base, np.ndarray):
        items = items.base
    return items
