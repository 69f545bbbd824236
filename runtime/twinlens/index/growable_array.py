"""Growing: an array that rows are appended to, at amortised constant cost."""

import math
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

_CACHE_LINE: Final = 64


class GrowableArray:
    """An array whose first axis grows. A view that was handed out keeps its numbers."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._room, self._used = empty, 0

    @classmethod
    def like(cls, part: NDArray[Any], *, capacity: int = 0) -> Self:
        """An array of no items such as those of `part`, with room for `capacity` of them."""
        return cls(_room((capacity, *part.shape[1:]), part.dtype))

    def __len__(self) -> int:
        return self._used

    @property
    def view(self) -> NDArray[Any]:
        """All items there are now."""
        return self._room[: self._used]

    def extend(self, part: NDArray[Any]) -> None:
        """Append [n, ...] items."""
        used = self._used + len(part)
        if used > len(self._room):
            room = max(used, len(self._room) * 3 // 2)
            wider = _room((room, *self._room.shape[1:]), self._room.dtype)
            wider[: self._used] = self.view
            self._room = wider
        self._room[self._used : used] = part
        self._used = used

    def cut(self, used: int) -> None:
        """Forget the items from `used` on: none of them may have been handed out."""
        self._used = used


def _room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array that begins with a cache line: rows of codes are then loaded fastest."""
    wanted = math.prod(shape) * dtype.itemsize
    room = np.empty(wanted + _CACHE_LINE, dtype=np.uint8)
    start = -room.ctypes.data % _CACHE_LINE
    return room[start : start + wanted].view(dtype).reshape(shape)
