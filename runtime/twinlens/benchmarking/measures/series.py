"""Series of times of one kind of query, in the blocks in which they were measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Times of the queries of one kind, raw and in their order."""

    wall_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...] = ()
    """CPU time of all threads of this process; none where another process computes."""
    block_ends: tuple[int, ...]
    """Place behind the last query of each block: blocks of several series alternate."""

    def __post_init__(self) -> None:
        ascends = all(a < b for a, b in zip((0, *self.block_ends), self.block_ends, strict=False))
        if not ascends or (self.block_ends or (0,))[-1] != len(self.wall_ms):
            raise ValueError(f"blocks end at {self.block_ends[:9]}, not at {len(self.wall_ms)}")
        if len(self.cpu_ms) not in (0, len(self.wall_ms)):
            raise ValueError(f"{len(self.cpu_ms)} CPU times of {len(self.wall_ms)} queries")

    def wall_blocks(self) -> list[F64]:
        """Return the wall times of each block [K], in ms."""
        return self._blocks(self.wall_ms)

    def cpu_blocks(self) -> list[F64]:
        """Return the CPU times of each block [K], in ms; none where they are not known."""
        return self._blocks(self.cpu_ms) if self.cpu_ms else []

    def _blocks(self, times: tuple[float, ...]) -> list[F64]:
        return np.split(np.asarray(times, dtype=np.float64), self.block_ends[:-1])


class Recorder:
    """Writer of a series, block by block."""

    def __init__(self) -> None:
        self.wall_ms: list[float] = []
        self.cpu_ms: list[float] = []
        self.ends: list[int] = []

    def add(self, wall_ms: Sequence[float], cpu_ms: Sequence[float] = ()) -> None:
        """Add one block of calls."""
        if wall_ms:
            self.wall_ms += wall_ms
            self.cpu_ms += cpu_ms
            self.ends.append(len(self.wall_ms))

    def series(self) -> Series:
        """Return all that was added; a microsecond is the last digit."""
        return Series(
            wall_ms=tuple(round(value, 4) for value in self.wall_ms),
            cpu_ms=tuple(round(value, 4) for value in self.cpu_ms),
            block_ends=tuple(self.ends),
        )
