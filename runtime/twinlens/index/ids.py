"""Ids of an index's rows: int64 numbers or strings, as users give them and as sections."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import QUOTED_CHARACTERS, IdError, IndexFileError, quoted
from twinlens.foreign_arrays import as_array, library_of
from twinlens.index.arrays.layout import ID_TEXT, IdKind

IdsLike = Sequence[int] | Sequence[str] | NDArray[Any] | Iterable[int] | Iterable[str]
"""Ids as users give them: integers that fit int64, or strings; also columns of other libraries."""
Ids = NDArray[np.int64] | list[str]
"""Ids that were read and checked."""
Sections = Mapping[str, NDArray[Any]]

_SURROGATES = "surrogatepass"  # the name of a file need not be text


def read_ids(values: IdsLike) -> Ids:
    """Read ids as an int64 array or as a list of strings.

    Raises:
        TypeError: an id is neither an integer nor a string, or both are there.
        ValueError: a number is beyond int64, or the array has not one dimension.
    """
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"ids has shape {values.shape}, wanted one dimension")
    if type(values) is np.ndarray and values.dtype.kind == "i":
        return values.astype(np.int64)
    plain = list(iterate_ids(values))
    wanted = str if plain and isinstance(plain[0], str) else (int, np.integer)
    for place, value in enumerate(plain):
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(
                f"id {place} is {quoted(repr_of(value))} of type {type(value).__name__}; "
                f"wanted integers or strings, and one kind for all{_cure_of(value)}"
            )
    if wanted is str:
        return plain
    try:
        return np.array(plain, dtype=np.int64)
    except OverflowError as error:
        raise ValueError("an id is beyond int64; give such ids as strings") from error


def iterate_ids(values: IdsLike) -> Iterator[Any]:
    """Iterate over ids of a list, an iterator, or a column of numpy, torch, pandas and the like.

    Raises:
        TypeError: the ids are one value.
        ValueError: the array has not one dimension, or an id is missing.
    """
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"ids is one {type(values).__name__}; give a list of them")
    if library_of(values):
        column = as_array(values, "ids")
        if column.ndim != 1:
            raise ValueError(f"ids has shape {column.shape}, wanted one dimension")
        return iter(column.tolist())
    return iter(values)


def _cure_of(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "; np.flatnonzero of a mask gives row numbers"
    return "; str(path) is one" if isinstance(value, os.PathLike) else ""


def kind_of(ids: Ids | None) -> IdKind:
    """Return the kind of the ids."""
    if ids is None:
        return "none"
    return "text" if isinstance(ids, list) else "int64"


def show_id(ids: Ids, place: int) -> str:
    """Format one id for an error message."""
    value = ids[place]
    return quoted(repr_of(value if isinstance(value, str) else int(value)))


def repr_of(value: object) -> str:
    """Return `repr`, of the beginning of a long text alone: the whole of it could be gigabytes."""
    try:
        return repr(value[:QUOTED_CHARACTERS] if isinstance(value, (str, bytes)) else value)
    except Exception:  # noqa: BLE001 - an integer of thousands of digits has none, say
        return f"a {type(value).__name__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Lookup keys of ids: a number itself, or 128 bits of BLAKE2b of a string."""

    first: NDArray[Any]
    """[N] int64 or uint64."""
    second: NDArray[np.uint64] | None
    """[N], of strings only."""

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, part: slice) -> "Keys":
        second = None if self.second is None else self.second[part]
        return Keys(first=self.first[part], second=second)


def id_sections(ids: Ids | None) -> dict[str, NDArray[Any]]:
    """Make the sections of ids; ends count from the first of them."""
    if ids is None:
        return {}
    if not isinstance(ids, list):
        return {"ids": ids}
    encoded = [text.encode("utf-8", _SURROGATES) for text in ids]
    digests = b"".join(hashlib.blake2b(text, digest_size=16).digest() for text in encoded)
    return {
        ID_TEXT: np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "id_ends": np.cumsum([len(text) for text in encoded], dtype=np.int64),
        "id_digests": np.frombuffer(digests, dtype="<u8").reshape(-1, 2),
    }


def slice_ids(sections: Sections, start: int, stop: int) -> dict[str, NDArray[Any]]:
    """Return the id sections of the rows start:stop: views, except for the ends."""
    part = {name: sections[name][start:stop] for name in ("ids", "id_digests") if name in sections}
    if ID_TEXT in sections:
        ends = sections["id_ends"]
        first = int(ends[start - 1]) if start else 0
        last = int(ends[stop - 1]) if stop else 0
        part[ID_TEXT] = sections[ID_TEXT][first:last]
        part["id_ends"] = ends[start:stop] - first
    return part


def filter_ids(sections: Sections, keep: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Return the id sections of the rows with True in keep [N]."""
    part = {name: sections[name][keep] for name in ("ids", "id_digests") if name in sections}
    if ID_TEXT in sections:
        lengths = np.diff(sections["id_ends"], prepend=0)
        part[ID_TEXT] = sections[ID_TEXT][np.repeat(keep, lengths)]
        part["id_ends"] = np.cumsum(lengths[keep])
    return part


def keys_of(sections: Sections) -> Keys:
    """Return the lookup keys of the ids in these sections."""
    if "ids" in sections:
        return Keys(first=sections["ids"], second=None)
    digests = sections["id_digests"]
    return Keys(first=digests[:, 0], second=digests[:, 1])


def ids_at(sections: Sections, rows: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.object_]:
    """Return the ids of rows, in their shape: int64, or strings as objects; else row numbers.

    Raises:
        IndexFileError: a string is damaged.
    """
    if "ids" in sections:
        numbers: NDArray[np.int64] = sections["ids"][rows]
        return numbers
    if ID_TEXT not in sections:
        return rows
    flat = rows.ravel()
    ends = sections["id_ends"]
    starts = np.where(flat > 0, ends[flat - 1], 0).tolist()
    buffer = sections[ID_TEXT].data
    texts = np.empty(len(flat), dtype=np.object_)
    for position, (start, end) in enumerate(zip(starts, ends[flat].tolist(), strict=True)):
        try:
            texts[position] = str(buffer[start:end], "utf-8", _SURROGATES)
        except UnicodeDecodeError as error:
            raise IndexFileError(
                f"the id of row {flat[position]} is damaged: it is not UTF-8; call verify, and "
                "build and save the index again"
            ) from error
    return texts.reshape(rows.shape)


def require_kind(got: IdKind, wanted: IdKind) -> None:
    """Refuse ids of another kind than the index has.

    Raises:
        IdError: the kinds differ.
    """
    if got != wanted:
        called = {"none": "no ids", "int64": "integers as ids", "text": "strings as ids"}
        raise IdError(
            f"got {called[got]}, but the index has {called[wanted]}; "
            "give the kind it was built with"
        )


def refuse_mask(ids: Ids, *, n_rows: int, n_live: int) -> None:
    """Refuse a mask of integers, which would be read as the ids 0 and 1, many times each.

    Raises:
        IdError: the ids are as many as the rows or the live rows, and only 0 and 1.
    """
    may_be = not isinstance(ids, list) and len(ids) > 2 and len(ids) in (n_rows, n_live)
    if may_be and np.isin(ids, (0, 1)).all():
        raise IdError(
            f"{len(ids)} ids, one a row, are only 0 and 1, as a mask has them, wanted each id "
            "once; give a mask as bool (astype(bool)), or the ids without repeats"
        )


def require_found(ids: Ids, rows: NDArray[np.int64], kind: IdKind) -> None:
    """Refuse ids of which one has no row.

    Args:
        ids: [M].
        rows: [M], row of each id, or -1.
        kind: kind of the ids of the index.

    Raises:
        IdError: names the first id without a row.
    """
    if rows.min(initial=0) < 0:
        unknown = show_id(ids, int(np.argmin(rows)))
        name = "row number" if kind == "none" else "id"
        raise IdError(f"{name} {unknown} is not in the index, or was removed; ask for those it has")
