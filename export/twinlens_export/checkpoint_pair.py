"""A pair of checkpoints: the image tower of one, and the text tower of the other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from twinlens.errors import quoted
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.families.family import Family
from twinlens_export.checkpoints.hub_files import OPEN_CLIP_CONFIG, PREPROCESSOR
from twinlens_export.checkpoints.loaded import ReferenceModel, ReferencePreparation
from twinlens_export.errors import CheckpointError
from twinlens_export.presence import there

OF_IMAGES: Final = frozenset({OPEN_CLIP_CONFIG, PREPROCESSOR})
"""Files that tell the preprocessing of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairModel:
    """Two models, one for images, one for texts; see `ReferenceModel`."""

    image: ReferenceModel
    text: ReferenceModel

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        return self.image.image_features(pixels)

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        return self.text.text_features(ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPreparation:
    """Image processor of one checkpoint, tokenizer of the other; see `ReferencePreparation`."""

    image: ReferencePreparation
    text: ReferencePreparation

    def ids(self, texts: Sequence[str], context: int) -> NDArray[np.int64]:
        """See `ReferencePreparation`."""
        return self.text.ids(texts, context)

    def pixels(self, image: Image.Image) -> F32:
        """See `ReferencePreparation`."""
        return self.image.pixels(image)


def pair_of(image: Checkpoint, text: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the image tower of one and the text tower of another.

    The two must have been trained for each other, which nothing in their files tells. The logit
    scale is that of the image tower's checkpoint, or the other's; a logit bias holds for the
    towers of its own training alone.

    Raises:
        CheckpointError: one lacks its tower, or their embeddings have two widths.
    """
    for checkpoint, modality, tower in (
        (image, "image", image.image),
        (text, "text", text.text),
    ):
        if tower is None:
            raise CheckpointError(
                f"{quoted(checkpoint.name)} has no {modality} tower; give the checkpoint of the "
                "image tower first, and that of the text tower to --text-from"
            )
    widths = image.image_tower.output_width, text.text_tower.output_width
    if widths[0] != widths[1]:
        raise CheckpointError(
            f"{quoted(image.name)} embeds images in width {widths[0]}, {quoted(text.name)} texts "
            f"in {widths[1]}; give two towers that were trained for each other"
        )
    of_images = {name: text for name, text in image.files.items() if name in OF_IMAGES}
    of_texts = {name: text for name, text in text.files.items() if name not in OF_IMAGES}
    scales = (image.native_scale, text.native_scale)
    return replace(
        image,
        name=f"{image.name} + {text.name}",
        family=Family(name=f"{image.family.name}+{text.family.name}", model="pair"),
        sha256=hashlib.sha256(f"{image.sha256} {text.sha256}".encode()).hexdigest(),
        model=PairModel(image=there(image.model), text=there(text.model)),
        preparation=PairPreparation(image=image.preparation, text=text.preparation),
        tokenizer=text.tokenizer,
        text=text.text,
        text_spec=text.text_spec,
        native_scale=next((scale for scale in scales if scale is not None), None),
        native_bias=None,
        files={**of_texts, **of_images},
    )
