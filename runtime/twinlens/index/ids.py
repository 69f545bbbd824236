"""The ids of an index's rows: int64 numbers or strings, as users give them and as sections."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IdError
from twinlens.index.layout import LETTERS, IdKind

IdsLike = Sequence[int] | Sequence[str] | NDArray[Any] | Iterable[int] | Iterable[str]
"""Ids as they may be given: integers that fit int64, or strings."""
Ids = NDArray[np.int64] | list[str]
"""Ids as they are held while they are on their way."""
Sections = Mapping[str, NDArray[Any]]

_SURROGATES = "surrogatepass"  # the name of a file need not be text


def read_ids(values: IdsLike) -> Ids:
    """Ids as an int64 array or as a list of strings.

    Raises:
        TypeError: something is neither an integer nor a string, or there are both.
        ValueError: a number is beyond int64, or the array has not one dimension.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"ids is one {type(values).__name__}; give a list of them")
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"ids has shape {values.shape}, wanted one dimension")
    if isinstance(values, np.ndarray) and values.dtype.kind == "i":
        return values.astype(np.int64)
    plain = values.to_pylist() if hasattr(values, "to_pylist") else values
    plain = plain.tolist() if isinstance(plain, np.ndarray) else list(plain)
    wanted = str if plain and isinstance(plain[0], str) else (int, np.integer)
    for place, value in enumerate(plain):
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(
                f"id {place} is {value!r} of type {type(value).__name__}; "
                "wanted integers or strings, and one kind for all"
            )
    if wanted is str:
        return plain
    try:
        return np.array(plain, dtype=np.int64)
    except OverflowError as error:
        raise ValueError("an id is beyond int64; give such ids as strings") from error


def kind_of(ids: Ids | None) -> IdKind:
    """What kind of ids these are."""
    if ids is None:
        return "none"
    return "text" if isinstance(ids, list) else "int64"


def show_id(ids: Ids, place: int) -> str:
    """One id as an error shows it."""
    value = ids[place]
    return repr(value if isinstance(value, str) else int(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What ids are told apart by: numbers are themselves, a string is 128 bits of its BLAKE2b."""

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
    """The sections of ids; the ends count from the first of them."""
    if ids is None:
        return {}
    if not isinstance(ids, list):
        return {"ids": ids}
    letters = [text.encode("utf-8", _SURROGATES) for text in ids]
    digests = b"".join(hashlib.blake2b(text, digest_size=16).digest() for text in letters)
    return {
        LETTERS: np.frombuffer(b"".join(letters), dtype=np.uint8),
        "id_ends": np.cumsum([len(text) for text in letters], dtype=np.int64),
        "id_digests": np.frombuffer(digests, dtype="<u8").reshape(-1, 2),
    }


def part_of_ids(sections: Sections, start: int, stop: int) -> dict[str, NDArray[Any]]:
    """The sections of the ids of the rows start:stop, views but for the ends."""
    part = {name: sections[name][start:stop] for name in ("ids", "id_digests") if name in sections}
    if LETTERS in sections:
        ends = sections["id_ends"]
        first = int(ends[start - 1]) if start else 0
        last = int(ends[stop - 1]) if stop else 0
        part[LETTERS] = sections[LETTERS][first:last]
        part["id_ends"] = ends[start:stop] - first
    return part


def kept_ids(sections: Sections, keep: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """The sections of the ids of those rows that are True in keep [N]."""
    part = {name: sections[name][keep] for name in ("ids", "id_digests") if name in sections}
    if LETTERS in sections:
        lengths = np.diff(sections["id_ends"], prepend=0)
        part[LETTERS] = sections[LETTERS][np.repeat(keep, lengths)]
        part["id_ends"] = np.cumsum(lengths[keep])
    return part


def keys_of(sections: Sections) -> Keys:
    """What the ids in these sections are told apart by."""
    if "ids" in sections:
        return Keys(first=sections["ids"], second=None)
    digests = sections["id_digests"]
    return Keys(first=digests[:, 0], second=digests[:, 1])


def ids_at(sections: Sections, rows: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.object_]:
    """The ids of rows, in their shape: int64, or strings as objects; rows that have none are it."""
    if "ids" in sections:
        numbers: NDArray[np.int64] = sections["ids"][rows]
        return numbers
    if LETTERS not in sections:
        return rows
    flat = rows.ravel()
    ends = sections["id_ends"]
    starts = np.where(flat > 0, ends[flat - 1], 0).tolist()
    letters = sections[LETTERS].data
    texts = np.empty(len(flat), dtype=np.object_)
    for place, (start, end) in enumerate(zip(starts, ends[flat].tolist(), strict=True)):
        texts[place] = str(letters[start:end], "utf-8", _SURROGATES)
    return texts.reshape(rows.shape)


def require_kind(got: IdKind, wanted: IdKind) -> None:
    """Refuse ids of another kind than the index has.

    Raises:
        IdError: they are.
    """
    if got != wanted:
        called = {"none": "no ids", "int64": "integers as ids", "text": "strings as ids"}
        raise IdError(
            f"got {called[got]}, but the index has {called[wanted]}; "
            "give the kind it was built with"
        )
