"""Snapshot of an index: immutable, so searches need no lock."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from mmap import mmap
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import CodesOnlyError, IndexFileError
from twinlens.index.arrays.layout import Layout
from twinlens.index.arrays.mapped_array import map_of
from twinlens.index.blocks import SAMPLE_ROWS, mean_row
from twinlens.index.id_lookup import IdLookup
from twinlens.index.ids import (
    Ids,
    IdsLike,
    Keys,
    id_sections,
    ids_at,
    keys_of,
    kind_of,
    read_ids,
    refuse_mask,
    require_found,
    require_kind,
)
from twinlens_kernels import Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Sections of an index (layout.py), and the mask of its removed rows."""

    layout: Layout
    sections: Mapping[str, NDArray[Any]]
    centre: NDArray[np.float32]
    """[D]"""
    live: NDArray[np.bool_] | None
    """[N], False for a removed row; None while no row is."""
    n_live: int
    lookup: IdLookup
    codes: Codes = field(init=False)
    maps: Mapping[str, mmap] = field(init=False)
    """Maps of the sections that are files."""

    def __post_init__(self) -> None:
        maps = {name: map_of(items) for name, items in self.sections.items()}
        object.__setattr__(
            self, "maps", {name: found for name, found in maps.items() if found is not None}
        )
        codes = Codes(
            codes=self.sections["codes"],
            terms=self.sections["terms"],
            centre=self.centre,
            residual=self.sections.get("residual"),
        )
        object.__setattr__(self, "codes", codes)

    @classmethod
    def of(
        cls,
        layout: Layout,
        sections: Mapping[str, NDArray[Any]],
        centre: NDArray[np.float32],
        *,
        live: NDArray[np.bool_] | None = None,
        lookup: IdLookup | None = None,
    ) -> Self:
        """Make a snapshot of arrays; empty sections may be left out."""
        whole = {
            name: sections[name]
            if name in sections
            else np.empty((0, *section.tail), dtype=section.dtype)
            for name, section in layout.sections().items()
        }
        n_rows = len(whole["codes"])
        return cls(
            layout=layout,
            sections=whole,
            centre=centre,
            live=live,
            n_live=n_rows if live is None else int(np.count_nonzero(live)),
            lookup=IdLookup() if lookup is None else lookup,
        )

    @property
    def rows(self) -> NDArray[np.float32]:
        """[N, D] unit rows, including removed ones.

        Raises:
            CodesOnlyError: the index keeps their codes alone.
        """
        if self.layout.codes_only:
            raise CodesOnlyError(
                "the index keeps codes alone, and this needs its float32 rows; build it again "
                "without codes_only"
            )
        return self.sections["rows"]

    @property
    def errors(self) -> NDArray[np.float32]:
        """[N] errors of cosines; none where the index keeps its rows."""
        return self.sections.get("errors", np.empty(0, dtype=np.float32))

    def __len__(self) -> int:
        """Return N, the number of rows including removed ones."""
        return len(self.sections["codes"])

    def require_whole(self) -> None:
        """Refuse sections with a file that was cut: reading a map beyond it kills the process.

        Raises:
            IndexFileError: names the section.
        """
        for name, found in self.maps.items():
            if found.size() < len(found):
                raise IndexFileError(
                    f"the file of the section {name} is damaged: it has {found.size()} bytes, "
                    f"wanted {len(found)}, since another process cut it; build and save the index "
                    "again, or take a copy that is whole, and open that"
                )

    def ids_at(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.object_]:
        """Return the ids of rows, in their shape; row numbers if the index has no ids."""
        return ids_at(self.sections, rows)

    def find(self, ids: IdsLike) -> NDArray[np.int64]:
        """Return the rows [M] of ids, or of row numbers if the index has no ids.

        Raises:
            IdError: an id is unknown, removed, or of another kind, or the ids look like a mask.
        """
        given = read_ids(ids)
        if not len(given):
            return np.empty(0, dtype=np.int64)
        refuse_mask(given, n_rows=len(self), n_live=self.n_live)
        rows = self.rows_of(given)
        require_found(given, rows, self.layout.ids)
        return rows

    def rows_of(self, ids: Ids) -> NDArray[np.int64]:
        """Return the live row [M] of each id, or -1.

        Raises:
            IdError: the ids are of another kind than those of the index.
        """
        if self.layout.ids == "none" and not isinstance(ids, list):
            return self._only_live(np.where((ids >= 0) & (ids < len(self)), ids, -1))
        require_kind(kind_of(ids), self.layout.ids)
        return self.rows_with(keys_of(id_sections(ids)))

    def rows_with(self, keys: Keys) -> NDArray[np.int64]:
        """Return the live row [M] of each key, or -1."""
        # An id may be given again once its row is removed: only its newest row counts.
        return self._only_live(self.lookup.find(keys, keys_of(self.sections)))

    def _only_live(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.live is None:
            return rows
        return np.where((rows >= 0) & self.live[rows], rows, -1)

    def without(self, rows: NDArray[np.int64]) -> Self:
        """Return the snapshot with these rows removed."""
        live = np.ones(len(self), dtype=np.bool_) if self.live is None else self.live.copy()
        live[rows] = False
        n_live = int(np.count_nonzero(live))
        return replace(self, live=live if n_live < len(self) else None, n_live=n_live)

    def centre_of_live(self) -> NDArray[np.float32]:
        """Return the mean [D] of a sample of the live rows; the centre as it is for codes alone."""
        if self.layout.codes_only:
            return self.centre
        step = max(1, len(self) // SAMPLE_ROWS)
        sample = self.rows[::step]
        return mean_row(sample if self.live is None else sample[self.live[::step]])
