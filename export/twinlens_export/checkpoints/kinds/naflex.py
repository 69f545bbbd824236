"""SigLIP 2 of any resolution (NaFlex), at one square grid of patches: the tower of a SigLIP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import quoted
from twinlens_export.architecture import F32, PixelNormalization
from twinlens_export.checkpoints.attention_mask import warn_of_mask
from twinlens_export.checkpoints.diagnosis import require_plain
from twinlens_export.checkpoints.families.transformers import SIGLIP
from twinlens_export.checkpoints.hub_files import CONFIG, TOKENIZER, json_of
from twinlens_export.checkpoints.image_processor import HALVES, RESAMPLING
from twinlens_export.checkpoints.loaded import LoadedCheckpoint, scale_of
from twinlens_export.checkpoints.preprocessing import Preprocessing, rgb
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.transformers_loader import (
    TransformersPreparation,
    config_file,
    encoder_config,
    features_of,
    layout_of,
    state_of,
)
from twinlens_export.checkpoints.weights.adapter import Adapter
from twinlens_export.checkpoints.weights.pretrained import load_model, load_part, load_tokenizer
from twinlens_export.errors import CheckpointError

MODEL_TYPE: Final = "siglip2"
"""`model_type` of its config.json; SigLIP 2 of a fixed resolution has SigLIP's."""
PATCHES: Final = "vision_model.embeddings.patch_embedding.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Square grid of patches."""

    side: int
    """Patches along an edge."""
    patch_px: int

    @property
    def side_px(self) -> int:
        """Height and width of the image."""
        return self.side * self.patch_px

    def patches(self, pixels: torch.Tensor) -> torch.Tensor:
        """Cut pixels [B, 3, S, S] into rows of patches [B, side * side, patch * patch * 3]."""
        side, patch = self.side, self.patch_px
        cut = pixels.reshape(-1, 3, side, patch, side, patch).permute(0, 2, 4, 3, 5, 1)
        return cut.reshape(len(pixels), side * side, patch * patch * 3)

    def pixels(self, patches: F32) -> F32:
        """Put rows of patches [side * side, patch * patch * 3] together: [3, S, S]."""
        side, patch = self.side, self.patch_px
        laid = patches.reshape(side, side, patch, patch, 3).transpose(4, 0, 2, 1, 3)
        whole: F32 = laid.reshape(3, self.side_px, self.side_px)
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class NaflexModel:
    """A Siglip2Model, asked at one grid; see `ReferenceModel`."""

    model: Any
    grid: Grid

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        patches = self.grid.patches(pixels)
        return features_of(
            self.model.get_image_features(
                pixel_values=patches,
                pixel_attention_mask=torch.ones(patches.shape[:2], dtype=torch.int64),
                spatial_shapes=torch.full((len(pixels), 2), self.grid.side),
            )
        )

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        return features_of(self.model.get_text_features(input_ids=ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class NaflexPreparation:
    """A tokenizer and a processor that keeps proportions; see `ReferencePreparation`."""

    texts: TransformersPreparation
    processor: Any
    grid: Grid

    def ids(self, texts: Sequence[str], context: int) -> NDArray[np.int64]:
        """See `ReferencePreparation`."""
        return self.texts.ids(texts, context)

    def pixels(self, image: Image.Image) -> F32:
        """Return the pixels [3, S, S] of an image with a square grid, or the patches of another."""
        found = self.processor(
            image,
            return_tensors="pt",
            max_num_patches=self.grid.side * self.grid.side,
            **layout_of(self.processor, image),
        )
        shape = found["spatial_shapes"][0].tolist()
        patches = np.asarray(found["pixel_values"][0], dtype=np.float32)
        return self.grid.pixels(patches) if shape == [self.grid.side] * 2 else patches

    def keeps_proportions(self, image: Image.Image) -> bool:
        """Return True if an image has another grid than the square one."""
        return self.pixels(image).ndim != 3


def load_naflex(checkpoint: str, *, adapter: Adapter | None = None) -> LoadedCheckpoint:
    """Load a SigLIP 2 NaFlex at the square grid of its own position embedding.

    Images are scaled to the square, as those of SigLIP 2 of a fixed resolution are; its own
    processor keeps their proportions.

    Raises:
        CheckpointError: it cannot be read or fetched, or its grid is not square.
    """
    require_plain(checkpoint, json_of(checkpoint, CONFIG) or {})
    config = load_part(checkpoint, "configuration", "AutoConfig")
    vision = config.vision_config
    side = round(vision.num_patches**0.5)
    if side * side != vision.num_patches:
        raise CheckpointError(
            f"{quoted(checkpoint)} has {vision.num_patches} positions, which are no square grid; "
            "give a SigLIP 2 of a fixed resolution"
        )
    grid = Grid(side=side, patch_px=vision.patch_size)
    processor = load_part(checkpoint, "image processor", "AutoImageProcessor")
    theirs = load_tokenizer(checkpoint, adapter)
    model, missing = load_model(checkpoint, "Siglip2Model", adapter=adapter)
    weights = state_of(model)
    width = len(weights[PATCHES])
    shape = (width, grid.patch_px, grid.patch_px, 3)
    weights[PATCHES] = weights[PATCHES].reshape(shape).transpose(0, 3, 1, 2)
    names = SIGLIP.text
    context = len(weights[names.position_embedding])
    tokenizer = read_tokenizer(theirs, context=context, trim=False, lower_case=True)
    warn_of_mask(theirs)
    texts = TransformersPreparation(tokenizer=theirs, processor=processor)
    return LoadedCheckpoint(
        family=SIGLIP,
        model=NaflexModel(model=model, grid=grid),
        preparation=NaflexPreparation(texts=texts, processor=processor, grid=grid),
        weights=weights,
        image=encoder_config(vision),
        text=encoder_config(config.text_config),
        end_id=config.text_config.eos_token_id,
        preprocessing=_preprocessing(processor.to_dict(), grid),
        tokenizer=tokenizer,
        native_scale=None if missing else scale_of(model),
        native_bias=None if missing else model.logit_bias.item(),
        # Its own processor makes patches; that of the bundle's tower is written from its spec.
        files={**config_file(checkpoint, config), TOKENIZER: tokenizer.json},
    )


def _preprocessing(fields: dict[str, Any], grid: Grid) -> Preprocessing:
    number = int(fields.get("resample") or 2)
    if number not in RESAMPLING:
        raise CheckpointError(
            f"the image processor resamples by filter {number}, which is not supported; "
            f"supported are {', '.join(f'{n} ({name})' for n, name in RESAMPLING.items())}"
        )
    image = ImageSpec(side_px=grid.side_px, resize="squash", interpolation=RESAMPLING[number])
    normalization = PixelNormalization(
        factor=float(fields.get("rescale_factor") or 1 / 255),
        mean=rgb(fields.get("image_mean") or HALVES),
        std=rgb(fields.get("image_std") or HALVES),
    )
    return Preprocessing(image=image, normalization=normalization)
