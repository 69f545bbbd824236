"""Sections of an index: arrays with one item a row, except for the text of string ids.

    rows        float32 [N, D]       unit rows, unless codes alone are kept
    codes       uint8   [N, P]       twinlens_kernels.Codes: the rows in 8 bits,
    terms       float32 [N, 3 or 5]  their error bounds,
    residual    uint8   [N, P]       and codes of their remainder, if asked for;
    errors      float32 [N]          and the errors of cosines, if codes alone are kept
    ids         int64   [N]          ids that are numbers;
    id_text     uint8   [M]          or strings: all of them as UTF-8 (lone surrogates as they are),
    id_ends     int64   [N]          the end of each,
    id_digests  uint64  [N, 2]       and its BLAKE2b of 128 bits, the lookup key

Sections are the same in memory and on disk; there, each is a file of little-endian numbers.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

import numpy as np

from twinlens_kernels.codes import padded_width

IdKind = Literal["none", "int64", "text"]
Kept = Literal["rows", "codes16", "codes8"]
"""Kept of a row: float32 numbers and a code, or codes alone of 16 or 8 bits a number."""

ID_TEXT: Final = "id_text"
"""Name of the section without one item a row: the text of all string ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One array: type and shape of its items, and its file suffix."""

    dtype: str
    tail: tuple[int, ...] = ()
    suffix: str

    @property
    def item_bytes(self) -> int:
        """Bytes of one item."""
        return math.prod(self.tail) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Parameters of an index that determine its sections and their shapes."""

    width: int
    """D"""
    residual: bool
    ids: IdKind
    codes_only: bool = False
    """True to keep no float32 rows."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {self.width}, not a positive number")

    @property
    def kept(self) -> Kept:
        """Kept of a row."""
        if not self.codes_only:
            return "rows"
        return "codes16" if self.residual else "codes8"

    def sections(self) -> dict[str, Section]:
        """Return every section by name."""
        padded = padded_width(self.width)
        found: dict[str, Section] = {}
        if not self.codes_only:
            found["rows"] = Section(dtype="<f4", tail=(self.width,), suffix="f32")
        found["codes"] = Section(dtype="|u1", tail=(padded,), suffix="u8")
        found["terms"] = Section(dtype="<f4", tail=(5 if self.residual else 3,), suffix="f32")
        if self.codes_only:
            found["errors"] = Section(dtype="<f4", suffix="f32")
        if self.residual:
            found["residual"] = Section(dtype="|u1", tail=(padded,), suffix="u8")
        if self.ids == "int64":
            found["ids"] = Section(dtype="<i8", suffix="i64")
        if self.ids == "text":
            found[ID_TEXT] = Section(dtype="|u1", suffix="utf8")
            found["id_ends"] = Section(dtype="<i8", suffix="i64")
            found["id_digests"] = Section(dtype="<u8", tail=(2,), suffix="u64")
        return found

    def holding(self, names: Collection[str]) -> Self:
        """Return the layout with the kind of ids that has its sections among these names."""
        kind: IdKind = "int64" if "ids" in names else "text" if "id_ends" in names else "none"
        return replace(self, ids=kind)
