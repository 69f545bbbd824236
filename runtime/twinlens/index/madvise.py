"""What the system is told of how mapped rows will be read; where it takes no such word, nothing."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def expect_scattered(items: NDArray[Any]) -> None:
    """Items are read here and there: do not fetch 128 KiB around each of 2 KiB."""
    root = _root(items)
    if isinstance(root.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        root.base.madvise(mmap.MADV_RANDOM)


def read_ahead(items: NDArray[Any]) -> None:
    """Fetch a slice whole, for it is about to be read in order."""
    root = _root(items)
    if isinstance(root.base, mmap.mmap) and items.nbytes and hasattr(mmap, "MADV_WILLNEED"):
        start = items.ctypes.data - root.ctypes.data
        skipped = start % mmap.PAGESIZE
        root.base.madvise(mmap.MADV_WILLNEED, start - skipped, items.nbytes + skipped)


def _root(items: NDArray[Any]) -> NDArray[Any]:
    while isinstance(items.base, np.ndarray):
        items = items.base
    return items
