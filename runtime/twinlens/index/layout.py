"""The sections of an index: arrays that all have one item a row, but for the letters of its ids.

    rows        float32 [N, D]       unit rows
    codes       uint8   [N, P]       twinlens_kernels.Codes: the rows in 8 bits,
    terms       float32 [N, 3 or 5]  what bounds their error,
    residual    uint8   [N, P]       and what the codes left, if asked for
    ids         int64   [N]          ids that are numbers;
    id_text     uint8   [M]          or strings: all of them as UTF-8 (lone surrogates as they are),
    id_ends     int64   [N]          where each ends,
    id_digests  uint64  [N, 2]       and its BLAKE2b of 128 bits, by which it is known

They are the same in memory and on disk, where each is a file of little-endian numbers.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

import numpy as np

from twinlens_kernels.codes import padded_width

IdKind = Literal["none", "int64", "text"]

LETTERS: Final = "id_text"
"""The one section that has no item a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One array: the type and shape of its items, and how its file's name ends."""

    dtype: str
    tail: tuple[int, ...] = ()
    suffix: str

    @property
    def item_bytes(self) -> int:
        """Bytes of one item."""
        return math.prod(self.tail) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What decides which sections an index has, and their shapes."""

    width: int
    """D"""
    residual: bool
    ids: IdKind

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {self.width}, not a positive number")

    def sections(self) -> dict[str, Section]:
        """Every section by name."""
        padded = padded_width(self.width)
        found = {
            "rows": Section(dtype="<f4", tail=(self.width,), suffix="f32"),
            "codes": Section(dtype="|u1", tail=(padded,), suffix="u8"),
            "terms": Section(dtype="<f4", tail=(5 if self.residual else 3,), suffix="f32"),
        }
        if self.residual:
            found["residual"] = Section(dtype="|u1", tail=(padded,), suffix="u8")
        if self.ids == "int64":
            found["ids"] = Section(dtype="<i8", suffix="i64")
        if self.ids == "text":
            found[LETTERS] = Section(dtype="|u1", suffix="utf8")
            found["id_ends"] = Section(dtype="<i8", suffix="i64")
            found["id_digests"] = Section(dtype="<u8", tail=(2,), suffix="u64")
        return found

    def holding(self, names: Collection[str]) -> Self:
        """The same with that kind of ids whose sections are among these."""
        kind: IdKind = "int64" if "ids" in names else "text" if "id_ends" in names else "none"
        return replace(self, ids=kind)
