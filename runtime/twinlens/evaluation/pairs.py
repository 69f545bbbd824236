"""Pairs of an image and a text, and what is known of them."""

import os
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import PairsError
from twinlens.images import ImageLike

T = TypeVar("T")

TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """How a table names what it holds."""

    image: str = "image"
    text: str = "text"
    label: str | None = None
    """Whether the pair matches, 0 or 1; by default the column "label" where there is one."""
    kind: str | None = None
    """The class of the image, for zero-shot classification; an empty cell is no class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """M images and texts, row by row."""

    images: Sequence[ImageLike]
    texts: Sequence[str]
    labels: Sequence[bool] | None = None
    """Whether each pair matches; None says that all do."""
    kinds: Sequence[str] | None = None
    """The class of each image; empty where it has none."""

    def __post_init__(self) -> None:
        for name in ("texts", "labels", "kinds"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.images):
                raise PairsError(
                    f"{len(self.images)} images and {len(column)} {name} are not pairs; "
                    "give as many of each"
                )
        if not self.images:
            raise PairsError("there are no pairs; give at least one")

    def __len__(self) -> int:
        return len(self.images)


def distinct(values: Iterable[T]) -> tuple[list[T], NDArray[np.intp]]:
    """Each value once, in order of appearance, and the place [M] of every row among them.

    Paths, bytes and strings are equal by content; PIL images and arrays only if they are one.
    """
    places: dict[Hashable, int] = {}
    firsts: list[T] = []
    rows = []
    for value in values:
        place = places.setdefault(_key(value), len(firsts))
        if place == len(firsts):
            firsts.append(value)
        rows.append(place)
    return firsts, np.array(rows, dtype=np.intp)


def truth(cell: object) -> bool | None:
    """What a label says: 0 or 1, false or true, no or yes; None if it says neither."""
    return TRUTHS.get(str(cell).strip().lower().removesuffix(".0"))


def _key(value: object) -> Hashable:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    return value if isinstance(value, (str, bytes)) else id(value)
