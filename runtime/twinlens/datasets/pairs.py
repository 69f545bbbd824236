"""Pairs of an image and a text, with their labels and classes."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from twinlens.dataframes import is_missing, several
from twinlens.datasets.quoting import quoted_value
from twinlens.errors import PairsError, amount
from twinlens.images.image_like import ImageLike

LABELS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
NO_LABELS: Final = ""
"""Name of the column of labels that reads none, even where there is a column "label"."""
Lose = Callable[[PairsError], None]
"""Act on a row that is no pair: raise the error, or say it and go on."""
_NUMBERS: Final = (bool, int, float, np.bool_, np.integer, np.floating)


@runtime_checkable
class _Scalar(Protocol):
    """A number in an array or a tensor of no dimensions."""

    ndim: int

    def item(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns of a table of pairs.

    >>> columns = Columns(image="photo", text="caption", label="match")
    """

    image: str = "image"
    """Column of images: paths, or in Parquet also bytes or structs {bytes, path}."""
    text: str = "text"
    """Column of texts; in Parquet a cell may be a list of several texts of its image."""
    label: str | None = None
    """Column of labels, 1 for a matching pair, else 0; by default "label" if it exists, and none
    if it is `NO_LABELS`, ""."""
    kind: str | None = None
    """Column of the images' classes, for zero-shot classification; an empty cell is no class."""
    group: str | None = None
    """Column of parts of the data, such as "known" and "unseen", which are evaluated apart too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """M pairs of an image and a text, row by row.

    Each column is a list, an array, or a Series of pandas, polars or pyarrow, and is kept as a
    list.

    Raises PairsError if there is no pair, if the columns differ in length, or if a value is not of
    its kind: a label that is neither a bool nor 0 or 1, a text or a class that is no string, or one
    string instead of a list of them.

    >>> len(Pairs(images=["dog.jpg", "cat.jpg"], texts=["a dog", "a dog"], labels=[True, False]))
    2
    """

    images: Sequence[ImageLike]
    """[M] paths, encoded bytes, binary files, PIL images, or uint8 arrays [H, W, 3]."""
    texts: Sequence[str]
    """[M]"""
    labels: Sequence[bool] | None = None
    """[M] True or 1 for a matching pair, False or 0 for another; None if all pairs match."""
    kinds: Sequence[str] | None = None
    """[M] class of each image; empty or None for an image without a class."""
    groups: Sequence[str] | None = None
    """[M] part of the data that a pair belongs to, such as "known" or "unseen"; empty or None for
    none."""

    def __post_init__(self) -> None:
        columns: dict[str, list[Any]] = {}
        for name in ("images", "texts", "labels", "kinds", "groups"):
            if (given := getattr(self, name)) is not None:
                columns[name] = _listed(given, name)
                object.__setattr__(self, name, columns[name])
        for name, column in columns.items():
            if len(column) != len(self.images):
                given = f"{amount(len(self.images), 'image')} and {amount(len(column), name[:-1])}"
                raise PairsError(f"{given} are not pairs; give as many of each")
        if not self.images:
            raise PairsError("there are no pairs; give at least one")
        _require_texts(columns["texts"])
        if "labels" in columns:
            labels = [_label(value, place) for place, value in enumerate(columns["labels"])]
            object.__setattr__(self, "labels", labels)
        for name, word in (("kinds", "class"), ("groups", "group")):
            if name in columns:
                words = [_word(value, place, word) for place, value in enumerate(columns[name])]
                object.__setattr__(self, name, words)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, places: Iterable[int]) -> "Pairs":
        """Return the pairs of these places, in the order given.

        >>> pairs = Pairs(images=["dog.jpg", "cat.jpg"], texts=["a dog", "a cat"])
        >>> pairs.take([1]).texts
        ['a cat']
        """
        chosen = [*places]
        return Pairs(
            images=[self.images[place] for place in chosen],
            texts=[self.texts[place] for place in chosen],
            labels=None if self.labels is None else [self.labels[place] for place in chosen],
            kinds=None if self.kinds is None else [self.kinds[place] for place in chosen],
            groups=None if self.groups is None else [self.groups[place] for place in chosen],
        )


def parse_label(cell: object) -> bool | None:
    """Parse 0 or 1, false or true, no or yes; return None for any other cell."""
    return LABELS.get(str(cell).strip().lower().removesuffix(".0"))


def _listed(column: Collection[Any], name: str) -> list[Any]:
    if isinstance(column, (dict, set, frozenset)) or not hasattr(column, "__len__"):
        raise PairsError(f"{name} is a {type(column).__name__}; give a list, in the order of pairs")
    try:
        listed = several(column, name)
    except TypeError as error:
        raise PairsError(str(error)) from error
    return list(listed)


def _require_texts(texts: Sequence[object]) -> None:
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise PairsError(f"text {place} is {quoted_value(text)}, wanted a string")


def _label(value: object, place: int) -> bool:
    is_masked = value is np.ma.masked  # its item is 0.0
    if not is_masked and isinstance(value, _Scalar) and value.ndim == 0:
        value = value.item()
    # 0 and 1 may come as floats, as pandas makes them of a column that has gaps.
    if isinstance(value, _NUMBERS) and value in {0, 1}:
        return bool(value)
    raise PairsError(f"label {place} is {quoted_value(value)}, wanted True or False, or 1 or 0")


def _word(value: object, place: int, name: str) -> str:
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    raise PairsError(f"{name} {place} is {quoted_value(value)}, wanted a string")
