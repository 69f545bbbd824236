"""Growable array: rows are appended at amortised constant cost."""

from typing import Any, Self

from numpy.typing import NDArray

from twinlens_kernels.codes import aligned_empty


class GrowableArray:
    """Array that grows along its first axis. A view handed out earlier keeps its numbers."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._buffer, self._used = empty, 0

    @classmethod
    def like(cls, part: NDArray[Any], *, capacity: int = 0) -> Self:
        """Return an empty array of items like those of `part`, with space for `capacity`."""
        return cls(aligned_empty((capacity, *part.shape[1:]), part.dtype))

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
            wider = aligned_empty((capacity, *self._buffer.shape[1:]), self._buffer.dtype)
            wider[: self._used] = self.view
            self._buffer = wider
        self._buffer[self._used : used] = part
        self._used = used

    def cut(self, used: int) -> None:
        """Drop the items from `used` on; none of them may have been handed out."""
        self._used = used
