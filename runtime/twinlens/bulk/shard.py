"""Shard of a job: the names that one machine of several embeds."""

import re
from dataclasses import dataclass
from math import gcd
from typing import Final

from twinlens.errors import quoted

_WORDS: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Number `number` of `count` shards, counted from 1.

    A name belongs to the shard 1 + h mod count, where h are the first eight bytes of its BLAKE2b of
    16 bytes, lowest first: the same on every machine, if the source is named by the same words.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"shard is {self.number}/{self.count}, wanted i/n with i between 1 and n"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def read(cls, words: str) -> "Shard":
        """Read a shard such as "2/8".

        Raises:
            ValueError: it is none.

        >>> Shard.read("2/8")
        Shard(number=2, count=8)
        """
        found = _WORDS.fullmatch(words)
        if found is None:
            raise ValueError(f"shard is {quoted(words)!r}, not a number of several such as '2/8'")
        return cls(number=int(found[1]), count=int(found[2]))

    def owns(self, first: int) -> bool:
        """Return True if a name is of this shard, by the first half of its key."""
        return first % self.count == self.number - 1

    def overlaps(self, other: "Shard") -> bool:
        """Return True if some name may belong to both.

        >>> [Shard.read("1/2").overlaps(Shard.read(other)) for other in ("3/4", "2/4")]
        [True, False]
        """
        return (self.number - other.number) % gcd(self.count, other.count) == 0


WHOLE: Final = Shard()
"""All names."""
