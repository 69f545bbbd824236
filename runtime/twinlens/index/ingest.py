"""Ingest of rows: their checks, and their sections."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IdError
from twinlens.index.arrays.growable_array import GrowableArray
from twinlens.index.arrays.layout import IdKind, Layout
from twinlens.index.arrays.mapped_array import read_ahead
from twinlens.index.blocks import RowBlock, RowStream, mean_row
from twinlens.index.id_lookup import IdLookup
from twinlens.index.ids import (
    Ids,
    Keys,
    filter_ids,
    id_sections,
    keys_of,
    kind_of,
    require_kind,
    show_id,
    slice_ids,
)
from twinlens.index.snapshot import Snapshot
from twinlens_kernels import encode
from twinlens_kernels.encoding.dequantise import bounds_alone, sum_up

_PIECE_ROWS: Final = 2**14


class Ingest:
    """Checks and encoding of blocks that are appended to a snapshot.

    Args:
        snapshot: index before the append.
        threads: number of threads of the encoding.
        replacing: let a row take the place of the one that has its id, and refuse rows without ids.
    """

    def __init__(self, snapshot: Snapshot, *, threads: int, replacing: bool = False) -> None:
        self.snapshot: Snapshot = snapshot
        self._threads, self._replacing = threads, replacing
        # An index without rows takes the kind of ids that its first rows have.
        self._kind: IdKind | None = snapshot.layout.ids if len(snapshot) else None
        self._new_ids = _NewIds()
        self._replaced: list[NDArray[np.int64]] = []

    def kept(self) -> Snapshot:
        """Return the snapshot without the rows that the appended ones replace."""
        rows = np.concatenate([np.empty(0, dtype=np.int64), *self._replaced])
        return self.snapshot.without(rows) if len(rows) else self.snapshot

    def check(self, block: RowBlock) -> dict[str, NDArray[Any]]:
        """Check a block, and make its sections of ids.

        Raises:
            IdError: as for `sections`.
            ValueError: as for `sections`.
        """
        width = self.snapshot.layout.width
        if block.rows.shape[1] != width:
            raise ValueError(
                f"embeddings have width {block.rows.shape[1]}, but the index has width {width}; "
                "embed both with the same model"
            )
        if not len(block.rows):
            return {}
        kind = kind_of(block.ids)
        require_kind(kind, kind if self._kind is None else self._kind)
        self._kind = kind
        ids = id_sections(block.ids)
        if block.ids is not None:
            self._meet(block.ids, keys_of(ids))
        elif self._replacing:
            raise IdError("an update needs the id of each row, got none; use add for such rows")
        return ids

    def sections(self, block: RowBlock) -> dict[str, NDArray[Any]]:
        """Make the sections of a block, none if it has no rows; ends of ids count from its first.

        Raises:
            IdError: an id is there twice, or ids are of another kind than those of the index.
            ValueError: the width is another than that of the index.
        """
        ids = self.check(block)
        if not len(block.rows):
            return {}
        return (
            encode_rows(
                block,
                centre=self.snapshot.centre,
                layout=self.snapshot.layout,
                threads=self._threads,
            )
            | ids
        )

    def _meet(self, ids: Ids, keys: Keys) -> None:
        """Note the rows of the index that have these ids, or refuse them."""
        if len(self.snapshot):
            stored = self.snapshot.rows_with(keys)
            present = stored >= 0
            if self._replacing:
                self._replaced.append(stored[present])
            elif present.any():
                name = show_id(ids, int(np.argmax(present)))
                raise IdError(f"id {name} is in the index already; remove it first, or update it")
        self._new_ids.add(ids, keys)


class _NewIds:
    """Ids of the appended rows, each once."""

    def __init__(self) -> None:
        self._lookup = IdLookup()
        self._first: GrowableArray | None = None
        self._second: GrowableArray | None = None

    def add(self, ids: Ids, keys: Keys) -> None:
        """Add ids.

        Raises:
            IdError: one was added already.
        """
        before = self._held(keys)
        twice = self._lookup.find(keys, before) >= 0
        held = self._extend(keys)
        # Within a block, the newest row of an id is its own row, or that of its duplicate.
        twice |= self._lookup.find(keys, held) != np.arange(len(before), len(held))
        if twice.any():
            name = show_id(ids, int(np.argmax(twice)))
            raise IdError(f"id {name} is given twice; ids must be unique")

    def _held(self, like: Keys) -> Keys:
        if self._first is None:
            return like[:0]
        return Keys(
            first=self._first.view, second=None if self._second is None else self._second.view
        )

    def _extend(self, keys: Keys) -> Keys:
        if self._first is None:
            self._first = GrowableArray.like(keys.first)
            self._second = None if keys.second is None else GrowableArray.like(keys.second)
        self._first.extend(keys.first)
        if self._second is not None and keys.second is not None:
            self._second.extend(keys.second)
        return self._held(keys)


def empty_snapshot(stream: RowStream, *, residual: bool, codes_only: bool) -> Snapshot:
    """Return an empty snapshot for the rows of a stream."""
    layout = Layout(
        width=stream.sample.shape[1], residual=residual, ids="none", codes_only=codes_only
    )
    return Snapshot.of(layout, {}, mean_row(stream.sample))


def encode_rows(
    block: RowBlock, *, centre: NDArray[np.float32], layout: Layout, threads: int
) -> dict[str, NDArray[Any]]:
    """Encode the rows of a block and return their sections other than ids."""
    codes = encode(block.rows, centre=centre, residual=layout.residual, threads=threads)
    sections: dict[str, NDArray[Any]] = {}
    if layout.codes_only:
        codes, errors = bounds_alone(codes)
        sections["errors"] = errors if block.errors is None else sum_up(errors, block.errors)
    else:
        sections["rows"] = block.rows
    sections |= {"codes": codes.codes, "terms": codes.terms}
    if codes.residual is not None:
        sections["residual"] = codes.residual
    return sections


def pieces(snapshot: Snapshot) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield all sections of a snapshot unchanged, some rows at a time."""
    for start in range(0, len(snapshot), _PIECE_ROWS):
        stop = min(start + _PIECE_ROWS, len(snapshot))
        whole = _part(snapshot, start, stop)
        yield whole | slice_ids(snapshot.sections, start, stop)


def live_pieces(
    snapshot: Snapshot, *, centre: NDArray[np.float32], threads: int
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the sections of the live rows, encoded around another centre.

    Codes that are kept alone stay as they are: to encode them again would add an error.
    """
    for start in range(0, len(snapshot), _PIECE_ROWS):
        stop = min(start + _PIECE_ROWS, len(snapshot))
        ids = slice_ids(snapshot.sections, start, stop)
        part = _part(snapshot, start, stop)
        if snapshot.live is not None:
            keep = snapshot.live[start:stop]
            ids = filter_ids(ids, keep)
            part = {name: items[keep] for name, items in part.items()}
        if not len(part["codes"]):
            continue
        if not snapshot.layout.codes_only:
            block = RowBlock(rows=part["rows"], ids=None)
            part = encode_rows(block, centre=centre, layout=snapshot.layout, threads=threads)
        yield part | ids


def _part(snapshot: Snapshot, start: int, stop: int) -> dict[str, NDArray[Any]]:
    """Return all sections but those of ids of the rows start to stop, which are read ahead."""
    names = snapshot.sections.keys() & {"rows", "codes", "terms", "residual", "errors"}
    part = {name: snapshot.sections[name][start:stop] for name in sorted(names)}
    for name in {"rows", "codes", "residual"} & names:
        read_ahead(part[name])
    return part
