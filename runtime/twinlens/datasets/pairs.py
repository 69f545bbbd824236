"""Pairs of an image and a text, with their labels and classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twinlens.errors import PairsError
from twinlens.images.image_like import ImageLike

LABELS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
NO_LABELS: Final = ""
"""Name of the column of labels that reads none, even where there is a column "label"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns of a table of pairs.

    >>> columns = Columns(image="photo", text="caption", label="match")
    """

    image: str = "image"
    """Column of images: paths, or in Parquet also bytes or structs {bytes, path}."""
    text: str = "text"
    """Column of texts."""
    label: str | None = None
    """Column of labels, 1 for a matching pair, else 0; by default "label" if it exists, and none
    if it is `NO_LABELS`, ""."""
    kind: str | None = None
    """Column of the images' classes, for zero-shot classification; an empty cell is no class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """M pairs of an image and a text, row by row.

    Raises PairsError if there is no pair, or if the columns differ in length.

    >>> len(Pairs(images=["dog.jpg", "cat.jpg"], texts=["a dog", "a dog"], labels=[True, False]))
    2
    """

    images: Sequence[ImageLike]
    """[M] paths, encoded bytes, binary files, PIL images, or uint8 arrays [H, W, 3]."""
    texts: Sequence[str]
    """[M]"""
    labels: Sequence[bool] | None = None
    """[M] True for a matching pair; None if all pairs match."""
    kinds: Sequence[str] | None = None
    """[M] class of each image; empty for an image without a class."""

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


def parse_label(cell: object) -> bool | None:
    """Parse 0 or 1, false or true, no or yes; return None for any other cell."""
    return LABELS.get(str(cell).strip().lower().removesuffix(".0"))
