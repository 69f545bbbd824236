"""The questions that pairs put to a model: distinct images and texts, and who belongs to whom."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.pairs import Pairs
from twinlens.deduplication import distinct
from twinlens.errors import PairsError
from twinlens.images.image_like import ImageLike

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """The pairs as distinct images and texts, and who belongs to whom."""

    images: list[ImageLike]
    texts: list[str]
    rows: tuple[Ints, Ints]
    """Image and text of each pair, [M] each."""
    labels: Bools | None
    """[M]"""
    right: tuple[Ints, Ints]
    """Image and text of each matching pair, once."""
    classed: Ints
    """The images that have a class."""
    kinds: list[str]
    """The classes, each once."""
    own: Ints
    """The class of each classed image."""


def ground_truth(pairs: Pairs) -> GroundTruth:
    """Find what is distinct and who belongs to whom.

    Raises:
        PairsError: no pair matches, or one image has two classes.
    """
    images, image_of = distinct(pairs.images)
    texts, text_of = distinct(pairs.texts)
    labels = None if pairs.labels is None else np.asarray(pairs.labels, dtype=bool)
    codes = image_of * len(texts) + text_of
    matching = np.unique(codes if labels is None else codes[labels])
    if not matching.size:
        raise PairsError("no pair matches; give some that do")
    kind_of: dict[int, str] = {}
    for image, kind in zip(image_of.tolist(), pairs.kinds or (), strict=pairs.kinds is not None):
        if kind and kind_of.setdefault(image, kind) != kind:
            raise PairsError(f"image {image} is both {kind_of[image]!r} and {kind!r}; give one")
    kinds, own = distinct(kind_of.values())
    return GroundTruth(
        images=images,
        texts=texts,
        rows=(image_of, text_of),
        labels=labels,
        right=(matching // len(texts), matching % len(texts)),
        classed=np.array(list(kind_of), dtype=np.intp),
        kinds=kinds,
        own=own,
    )
