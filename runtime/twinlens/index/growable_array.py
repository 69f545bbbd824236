"""Growable array: rows are appended at amortised constant cost."""

import math
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

_CACHE_LINE: Final = 64


class GrowableArray:
    """Array that grows along its first axis. A view handed out earlier keeps its numbers."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._buffer, self._used = empty, 0

    @classmethod
    def like(cls, part: NDArray[Any], *, capacity: int = 0) -> Self:
        """Return an empty array of items like those of `part`, with space for `capacity`."""
        return cls(_allocate((capacity, *part.shape[1:]), part.dtype))

    def __len__(self) -> int:
        return self._used

    @property
    def view(self) -> NDArray[Any]:
        """View of all items."""
        return self._buffer[: self._used]

    def extend(self, part: NDArray[Any]) -> None:
        """Append [n, ...] items."""
        used = self._used + len(part)
        if used > len(self._buffer):
            capacity = max(used, len(self._buffer) * 3 // 2)
            wider = _allocate((capacity, *self._buffer.shape[1:]), self._buffer.dtype)
            wider[: self._used] = self.view
            self._buffer = wider
        self._buffer[self._used : used] = part
        self._used = used

    def cut(self, used: int) -> None:
        """Drop the items from `used` on; none of them may have been handed out."""
        self._used = used


def _allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Allocate an array that begins at a cache line: the fastest to load for rows of codes."""
    wanted = math.prod(shape) * dtype.itemsize
    buffer = np.empty(wanted + _CACHE_LINE, dtype=np.uint8)
    start = -buffer.ctypes.data % _CACHE_LINE
    return buffer[start : start + wanted].view(dtype).reshape(shape)
