"""Table of names by 126 bits of their hash: at most 28 bytes a name, of names of any length."""

import hashlib
import struct
from mmap import mmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
Key = tuple[int, int]
"""Halves of the 128 bits of a name."""

_PAIR: Final = struct.Struct("<QQ")
_PARTITION_BITS: Final = 8
"""Each of 256 partitions grows by itself, so that growth needs no room for a second table."""
_FIRST_SLOTS: Final = 64
_FULL: Final = 0.75
_GROWTH: Final = 1.25
_FLAGS: Final = 3
"""Bits of the second half that hold the state."""

STORED: Final = 0
"""State of a name that has a row."""
LOST: Final = 1
"""State of a name that has a reason in place of a row."""
MET: Final = 2
"""Bit of a name that was met in the source."""


def key_of(name: str) -> Key:
    """Return the halves of the BLAKE2b of 16 bytes of a name as it is stored, lowest byte first."""
    letters = name.encode("utf-8", "backslashreplace")  # those of `stored_name`
    digest = hashlib.blake2b(letters, digest_size=16).digest()
    first, second = _PAIR.unpack(digest)
    return first, second


class NameTable:
    """Set of names with a state each, by open addressing.

    Two names of 10**8 are taken for one with a probability of 6e-23.
    """

    def __init__(self) -> None:
        self._partitions = [_Partition() for _ in range(2**_PARTITION_BITS)]
        self.stored = 0
        """Names that were put."""
        self.met_again = 0
        """Of them, those that were met."""

    def __len__(self) -> int:
        return sum(partition.count for partition in self._partitions)

    @property
    def n_bytes(self) -> int:
        """Bytes of the table."""
        return sum(partition.n_bytes for partition in self._partitions)

    def put(self, key: Key, state: int = STORED) -> bool:
        """Add a name that is stored; False if it is there already."""
        new = self._partition(key).state_of(key, otherwise=state) is None
        self.stored += new
        return new

    def meet(self, key: Key) -> int | None:
        """Return the state of a name before it was met now, None if it is new; mark it as met."""
        partition = self._partition(key)
        before = partition.state_of(key, otherwise=MET)
        if before is None:
            return None
        if not before & MET:
            partition.mark(key)
            self.met_again += 1
        return before

    def state(self, key: Key) -> int | None:
        """Return the state of a name, None if it is not there."""
        return self._partition(key).state_of(key)

    def _partition(self, key: Key) -> "_Partition":
        return self._partitions[key[0] >> (64 - _PARTITION_BITS)]


class _Partition:
    """Open addressing without a way round: a name lies at its home or right behind it.

    The last slot is always free.
    """

    __slots__ = ("_firsts", "_seconds", "_slots", "count")

    def __init__(self) -> None:
        self.count = 0
        self._fill(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), _FIRST_SLOTS)

    @property
    def n_bytes(self) -> int:
        return self._firsts.nbytes + self._seconds.nbytes

    def state_of(self, key: Key, *, otherwise: int | None = None) -> int | None:
        """Return the state of a key; None if it is not there, where it is added as `otherwise`."""
        place, found = self._find(key)
        if found:
            return self._seconds[place] & _FLAGS
        if otherwise is not None:
            if self.count >= _FULL * self._slots or place == len(self._firsts) - 1:
                self._grow()
                place, _ = self._find(key)
            self._firsts[place] = key[0] or 1
            self._seconds[place] = key[1] & ~_FLAGS | otherwise
            self.count += 1
        return None

    def mark(self, key: Key) -> None:
        """Mark a key that is there as met."""
        place, _ = self._find(key)
        self._seconds[place] |= MET

    def _find(self, key: Key) -> tuple[int, bool]:
        """Return the slot of a key and True, or the slot where it would be and False."""
        first, wanted = key[0] or 1, key[1] | _FLAGS
        firsts, place = self._firsts, (first >> 24 & 0xFFFFFFFF) * self._slots >> 32
        while found := firsts[place]:
            if found == first and self._seconds[place] | _FLAGS == wanted:
                return place, True
            place += 1
        return place, False

    def _grow(self) -> None:
        firsts = np.asarray(self._firsts)
        taken = np.flatnonzero(firsts)
        self._fill(firsts[taken], np.asarray(self._seconds)[taken], int(self._slots * _GROWTH) + 1)

    def _fill(self, firsts: U64, seconds: U64, slots: int) -> None:
        """Lay out keys [n] in a table of so many homes, or of more if one would end beyond it."""
        while True:
            homes = (firsts >> np.uint64(24) & np.uint64(0xFFFFFFFF)) * np.uint64(slots)
            homes = (homes >> np.uint64(32)).astype(np.int64)
            order = np.argsort(homes, kind="stable")
            numbers = np.arange(len(homes))
            places = numbers + np.maximum.accumulate(homes[order] - numbers)
            length = slots + slots // 64 + 32
            if not len(places) or places[-1] < length - 2:
                break
            slots = int(slots * _GROWTH) + 1
        self._slots = slots
        # Pages of its own: the heap would keep the holes that grown tables leave.
        pages = mmap(-1, 16 * length)
        both = np.frombuffer(pages, dtype=np.uint64).reshape(2, length)
        both[0, places], both[1, places] = firsts[order], seconds[order]
        # A memoryview reads one item in a third of the time of an array.
        self._firsts, self._seconds = memoryview(both[0]), memoryview(both[1])
