"""Ground truth of an evaluation: distinct images and texts, and their relevance pairs."""

from collections.abc import Mapping, Sequence
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
    """Distinct images and texts of pairs, and the relevance pairs (image, text)."""

    images: list[ImageLike]
    texts: list[str]
    pairs: tuple[Ints, Ints]
    """Image and text of each given pair, [M] each."""
    labels: Bools | None
    """[M], True for a match; None if all pairs match."""
    relevant: tuple[Ints, Ints]
    """Image and text of each matching pair, once."""
    classified: Ints
    """Images with a class."""
    classes: list[str]
    """Classes, each once."""
    class_of: Ints
    """Class of each classified image."""
    groups: Mapping[str, Ints]
    """Images of each part of the data, by its name."""


def ground_truth(pairs: Pairs) -> GroundTruth:
    """Find the distinct images and texts, and the relevance pairs.

    Raises:
        PairsError: no pair matches, or one image has two classes or two groups.
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
    classes, class_of = distinct(kind_of.values())
    return GroundTruth(
        images=images,
        texts=texts,
        pairs=(image_of, text_of),
        labels=labels,
        relevant=(matching // len(texts), matching % len(texts)),
        classified=np.array(list(kind_of), dtype=np.intp),
        classes=classes,
        class_of=class_of,
        groups=_groups(image_of, pairs.groups),
    )


def _groups(image_of: Ints, groups: Sequence[str] | None) -> dict[str, Ints]:
    """Return the images of each group, in the order of the names.

    Raises:
        PairsError: an image is in two groups.
    """
    found: dict[int, str] = {}
    for image, group in zip(image_of.tolist(), groups or (), strict=groups is not None):
        if group and found.setdefault(image, group) != group:
            raise PairsError(f"image {image} is in {found[image]!r} and {group!r}; give one group")
    return {
        name: np.array([image for image, own in found.items() if own == name], dtype=np.intp)
        for name in sorted(set(found.values()))
    }
