"""Pairs of an image and a text, and what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from twinlens.errors import PairsError
from twinlens.images.image_like import ImageLike

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


def truth(cell: object) -> bool | None:
    """What a label says: 0 or 1, false or true, no or yes; None if it says neither."""
    return TRUTHS.get(str(cell).strip().lower().removesuffix(".0"))
