"""Lookup of the row of an id, by sorted runs of keys that are merged as rows are added."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.index.ids import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Sorted keys of the rows start to stop; of equal keys the newest row comes first."""

    start: int
    stop: int
    keys: NDArray[np.int64] | NDArray[np.uint64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, held: Keys, start: int, stop: int) -> "_Run":
        newest_first = held.first[start:stop][::-1]
        order = np.argsort(newest_first, kind="stable")
        return cls(start=start, stop=stop, keys=newest_first[order], rows=stop - 1 - order)

    def find(self, wanted: Keys, held: Keys) -> NDArray[np.int64]:
        """Return the newest row [M] with each key among those held, or -1."""
        found = np.full(len(wanted), -1, dtype=np.int64)
        position = np.searchsorted(self.keys, wanted.first)
        pending = np.arange(len(wanted))
        while pending.size:
            pending = pending[position[pending] < len(self.keys)]
            pending = pending[self.keys[position[pending]] == wanted.first[pending]]
            rows = self.rows[position[pending]]
            equal = rows < len(held)
            if held.second is not None and wanted.second is not None:
                equal[equal] = held.second[rows[equal]] == wanted.second[pending[equal]]
            found[pending[equal]] = rows[equal]
            pending = pending[~equal]
            position[pending] += 1
        return found


class IdLookup:
    """Thread-safe lookup of the rows of ids.

    Keys of rows are sorted at their first use: 16 bytes a row, each sorted O(log N) times. Rows
    keep their keys, so one lookup serves older and newer snapshots of an index.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: tuple[_Run, ...] = ()

    def find(self, wanted: Keys, held: Keys) -> NDArray[np.int64]:
        """Return the newest row [M] of each wanted key among those held [N], or -1."""
        found = np.full(len(wanted), -1, dtype=np.int64)
        for run in self._runs_over(held):
            np.maximum(found, run.find(wanted, held), out=found)
        return found

    def _runs_over(self, held: Keys) -> tuple[_Run, ...]:
        with self._lock:
            runs = self._runs
            start = runs[-1].stop if runs else 0
            stop = len(held)
            if start < stop:
                while runs and runs[-1].stop - runs[-1].start <= stop - start:
                    start, runs = runs[-1].start, runs[:-1]
                runs = self._runs = (*runs, _Run.of(held, start, stop))
            return runs
