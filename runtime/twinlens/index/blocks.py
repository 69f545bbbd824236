"""Input of an index: an array or a stream of embeddings, as blocks of unit rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final, Self, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.index.ids import Ids, IdsLike, iterate_ids, read_ids
from twinlens.normalization import may_be_rows, read_floats, unit_rows

Embeddings = ArrayLike | Iterable[ArrayLike | tuple[IdsLike, ArrayLike]]
"""[N, D] floats, or a column of N vectors, of numpy, torch, pandas, polars or pyarrow; or a stream
of such blocks [n, D], each alone or as a pair (ids, block)."""

SAMPLE_ROWS: Final = 2**15
"""Sample size: its mean differs from the corpus mean by a hundredth of a row's spread at most."""
# 8 MiB of float32 keep every thread busy, and stay in its cache while they are scaled and encoded.
_BLOCK_NUMBERS: Final = 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBlock:
    """Consecutive rows with their ids."""

    rows: NDArray[np.float32]
    """[n, D] unit rows."""
    ids: Ids | None
    errors: NDArray[np.float32] | None = None
    """[n], how far the rows are off those given, if they come of codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStream:
    """Stream of blocks, with a sample of its rows and their number if it is known."""

    blocks: Iterator[RowBlock]
    sample: NDArray[np.float32]
    """[n, D] unit rows: evenly spread over an array, the first ones of a stream."""
    n_rows: int | None
    """N; None for a stream."""

    @classmethod
    def of(cls, embeddings: Embeddings, ids: IdsLike | None) -> Self:
        """Read [N, D] floats, or a stream of blocks.

        Raises:
            TypeError: the numbers are not floats, or ids are given twice.
            ValueError: a shape is not [rows, width], or ids and rows differ in number.
        """
        if not is_stream(embeddings):
            rows = _read_rows(embeddings)
            blocks = _sliced(rows, _ids_of(rows, ids), first_row=0)
            spread = range(0, len(rows), max(1, len(rows) // SAMPLE_ROWS))
            sample = unit_rows(rows[:: spread.step], numbers=spread)
            return cls(blocks=blocks, sample=sample, n_rows=len(rows))
        blocks = blocks_of(embeddings, ids)
        ahead: list[RowBlock] = []
        while sum(len(block.rows) for block in ahead) < SAMPLE_ROWS:
            block = next(blocks, None)
            if block is None:
                break
            ahead.append(block)
        if not ahead:
            raise ValueError(
                "the stream has no block, so the width is unknown; give one of shape [0, width]"
            )
        sample = np.concatenate([block.rows for block in ahead])[:SAMPLE_ROWS]
        return cls(blocks=chain(ahead, blocks), sample=sample, n_rows=None)


def blocks_of(embeddings: Embeddings, ids: IdsLike | None) -> Iterator[RowBlock]:
    """Yield blocks of unit rows from [N, D] floats, or from a stream of blocks.

    Raises:
        TypeError: the numbers are not floats, or ids are given twice.
        ValueError: a shape is not [rows, width], or ids and rows differ in number.
    """
    if is_stream(embeddings):
        return _checked(_streamed(iter(embeddings), ids))
    rows = _read_rows(embeddings)
    return _sliced(rows, _ids_of(rows, ids), first_row=0)


def mean_row(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean [D] of rows [n, D], the best centre of their codes; zero for no rows."""
    if not len(sample):
        return np.zeros(sample.shape[1], dtype=np.float32)
    mean: NDArray[np.float64] = sample.mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def is_stream(embeddings: object) -> TypeGuard[Iterable[Any]]:
    """Return True for a stream of blocks: an iterable other than an array of rows."""
    if isinstance(embeddings, Sequence) and may_be_rows(embeddings):
        first = embeddings[0] if len(embeddings) else None
        return isinstance(first, tuple) or getattr(first, "ndim", 0) == 2
    is_array = hasattr(embeddings, "__array__") or not may_be_rows(embeddings)
    return isinstance(embeddings, Iterable) and not is_array


def _read_rows(embeddings: object) -> NDArray[np.floating]:
    rows = read_floats(embeddings)
    if rows.ndim != 2:
        unit_rows(rows)  # refuses it
    return rows


def _ids_of(rows: NDArray[np.floating], ids: IdsLike | None) -> Ids | None:
    given = None if ids is None else read_ids(ids)
    if given is not None and len(given) != len(rows):
        raise ValueError(f"{len(given)} ids for {len(rows)} rows; give one a row")
    return given


def _sliced(rows: NDArray[Any], ids: Ids | None, *, first_row: int) -> Iterator[RowBlock]:
    """Yield blocks: at least one, for its width."""
    step = max(1, _BLOCK_NUMBERS // max(1, rows.shape[1]))
    for start in range(0, max(1, len(rows)), step):
        part = rows[start : start + step]
        yield RowBlock(
            rows=unit_rows(part, numbers=range(first_row + start, first_row + start + len(part))),
            ids=None if ids is None else ids[start : start + step],
        )


def _streamed(pieces: Iterator[Any], ids: IdsLike | None) -> Iterator[RowBlock]:
    beside = None if ids is None else iterate_ids(ids)
    n_rows = 0
    for piece in pieces:
        own, rows = _pair(piece) if isinstance(piece, tuple) else (None, _read_rows(piece))
        if own is not None and beside is not None:
            raise TypeError("ids are given beside the stream and in it; give them once")
        if beside is not None:
            own = read_ids(list(islice(beside, len(rows))))
        if own is not None and len(own) != len(rows):
            raise ValueError(
                f"{len(own)} ids for the {len(rows)} rows from row {n_rows} on; give one a row"
            )
        yield from _sliced(rows, own, first_row=n_rows)
        n_rows += len(rows)
    if beside is not None and next(beside, None) is not None:
        raise ValueError(f"more ids than the {n_rows} rows; give one a row")


def _pair(piece: tuple[Any, ...]) -> tuple[Ids, NDArray[Any]]:
    if len(piece) != 2:
        raise TypeError(
            f"a block is a tuple of {len(piece)} items, wanted an array [n, D] or a pair "
            "of ids [n] and such an array"
        )
    return read_ids(piece[0]), _read_rows(piece[1])


def _checked(blocks: Iterator[RowBlock]) -> Iterator[RowBlock]:
    """Refuse a stream with blocks of different widths."""
    width = None
    for block in blocks:
        got = block.rows.shape[1]
        if width is not None and got != width:
            raise ValueError(
                f"a block has width {got}, those before it {width}; embed all with the same model"
            )
        width = got
        yield block
