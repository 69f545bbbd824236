"""Embeddings of the images of an evaluation, of which each model has the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.pairs import Pairs
from twinlens.embedding.embedded_blocks import LostImage
from twinlens.errors import PairsError
from twinlens.evaluation.ground_truth import GroundTruth
from twinlens.images.image_like import ImageLike
from twinlens.model.model import Model

F32 = NDArray[np.float32]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRows:
    """Embeddings of distinct images by several models."""

    rows: tuple[F32, ...]
    """[B, D] of each model: the images that all of them can read."""
    places: Ints
    """[B], ascending: the places of those images among the distinct ones."""
    lost: tuple[LostImage, ...]
    """Each by its place among the distinct images."""

    def readable(self, pairs: Pairs, truth: GroundTruth) -> Pairs:
        """Return the pairs whose image can be read, in their order.

        Raises:
            PairsError: there is none.
        """
        if not len(self.places):
            raise PairsError(
                f"no image of {len(self.lost)} can be read; the first: {self.lost[0].reason}"
            )
        image_of, _ = truth.pairs
        return pairs.take(np.flatnonzero(np.isin(image_of, self.places)).tolist())


def embed_all(
    models: Sequence[Model],
    images: Sequence[ImageLike],
    *,
    on_error: Literal["raise", "skip"],
    progress: bool,
) -> ImageRows:
    """Embed distinct images by each model; one that cannot be read by any of them is lost for all.

    Raises:
        ImageError: an image cannot be read, and on_error is "raise".
    """
    places = np.arange(len(images))
    rows: list[F32] = []
    lost: list[LostImage] = []
    for model in models:
        # Only what the models before could read: a lost image is said once.
        given = [images[place] for place in places.tolist()]
        blocks = [*model.stream_images(given, on_error=on_error, progress=progress)]
        kept = np.concatenate([np.empty(0, np.intp), *(block.indices for block in blocks)])
        lost += [
            replace(found, index=int(places[found.index]))
            for block in blocks
            for found in block.lost
        ]
        none = np.empty((0, model.width), np.float32)
        rows = [found[kept] for found in rows]
        rows.append(np.concatenate([none, *(block.rows for block in blocks)]))
        places = places[kept]
    return ImageRows(rows=tuple(rows), places=places, lost=tuple(lost))
