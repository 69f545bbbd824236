"""Towers saved alone by transformers: an image tower or a text tower, and no other half."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from twinlens.bundle.specs import Modality
from twinlens.errors import quoted
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.attention_mask import warn_of_mask
from twinlens_export.checkpoints.diagnosis import require_plain
from twinlens_export.checkpoints.families.family import Family
from twinlens_export.checkpoints.families.transformers import FAMILIES
from twinlens_export.checkpoints.hub_files import CONFIG, TOKENIZER, json_of
from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.preprocessing import square_side
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.transformers_loader import (
    TransformersPreparation,
    config_file,
    encoder_config,
    image_files,
    state_of,
)
from twinlens_export.checkpoints.weights.adapter import Adapter
from twinlens_export.checkpoints.weights.pretrained import load_model, load_part, load_tokenizer
from twinlens_export.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneTower:
    """A kind of tower that is saved alone."""

    family: Family
    modality: Modality
    model: str
    """Name of the class without a projection."""
    projected: str = ""
    """Name of the class with one; empty: its family has none."""

    @property
    def config(self) -> str:
        """Name of its configuration's class, which AutoConfig of transformers 4 may not know."""
        return f"{self.model.removesuffix('Model')}Config"

    @property
    def prefix(self) -> str:
        """Prefix of its weights' names in the whole model."""
        return "vision_model." if self.modality == "image" else "text_model."


LONE_TOWERS: Final[Mapping[str, LoneTower]] = {
    "clip_vision_model": LoneTower(
        family=FAMILIES["clip"],
        modality="image",
        model="CLIPVisionModel",
        projected="CLIPVisionModelWithProjection",
    ),
    "clip_text_model": LoneTower(
        family=FAMILIES["clip"],
        modality="text",
        model="CLIPTextModel",
        projected="CLIPTextModelWithProjection",
    ),
    "metaclip_2_vision_model": LoneTower(
        family=FAMILIES["metaclip_2"],
        modality="image",
        model="MetaClip2VisionModel",
        projected="MetaClip2VisionModelWithProjection",
    ),
    "metaclip_2_text_model": LoneTower(
        family=FAMILIES["metaclip_2"],
        modality="text",
        model="MetaClip2TextModel",
        projected="MetaClip2TextModelWithProjection",
    ),
    "siglip_vision_model": LoneTower(
        family=FAMILIES["siglip"], modality="image", model="SiglipVisionModel"
    ),
    "siglip_text_model": LoneTower(
        family=FAMILIES["siglip"], modality="text", model="SiglipTextModel"
    ),
    "chinese_clip_vision_model": LoneTower(
        family=FAMILIES["chinese_clip"], modality="image", model="ChineseCLIPVisionModel"
    ),
}
"""Kinds by the `model_type` of config.json. Chinese-CLIP's text tower alone has lost the token that
its whole model pools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneModel:
    """One tower of transformers; see `ReferenceModel`."""

    model: Any

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        output = self.model(pixel_values=pixels)
        return _projected(output, "image_embeds")

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        output = self.model(input_ids=ids)
        return _projected(output, "text_embeds")


def _projected(output: Any, name: str) -> torch.Tensor:  # noqa: ANN401
    """Return the projected rows of an output, or the pooled ones where it has no projection."""
    features = getattr(output, name, None)
    pooled: torch.Tensor = output.pooler_output if features is None else features
    return pooled


def load_lone_tower(checkpoint: str, *, adapter: Adapter | None = None) -> LoadedCheckpoint:
    """Load a tower that was saved alone, such as a CLIPVisionModelWithProjection.

    Its embedding is the projected one, or the pooled token where it has no projection.

    Raises:
        CheckpointError: it cannot be read or fetched.
    """
    document = json_of(checkpoint, CONFIG) or {}
    require_plain(checkpoint, document)
    tower = LONE_TOWERS[document["model_type"]]
    config = load_part(checkpoint, "configuration", tower.config)
    name = _class_of(tower, document)
    if not getattr(config, "vision_use_head", True):
        raise CheckpointError(
            f"{quoted(checkpoint)} has no pooling head (vision_use_head is false), so it gives "
            "tokens and no embedding; give the whole SigLIP"
        )
    model, _ = load_model(checkpoint, name, adapter=adapter)
    if tower.modality == "image":
        return _image(checkpoint, tower, config, model)
    theirs = load_tokenizer(checkpoint, adapter)
    return _text(checkpoint, tower, config, model, theirs)


def _class_of(tower: LoneTower, document: Mapping[str, Any]) -> str:
    """Return the class that the tower was saved by: that with a projection if it is named."""
    named = document.get("architectures") or []
    return tower.projected if tower.projected and tower.projected in named else tower.model


def _whole_names(state: Mapping[str, F32], tower: LoneTower) -> dict[str, F32]:
    """Return the weights by their names in a whole model, which a tower alone may lack."""
    whole = (tower.prefix, "visual_projection.", "text_projection.")
    return {
        name if name.startswith(whole) else f"{tower.prefix}{name}": array
        for name, array in state.items()
    }


def _image(
    checkpoint: str,
    tower: LoneTower,
    config: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
) -> LoadedCheckpoint:
    weights = _whole_names(state_of(model), tower)
    processor = load_part(checkpoint, "image processor", "AutoImageProcessor")
    preprocessing = read_processor(processor.to_dict(), side_px=square_side(config.image_size))
    return LoadedCheckpoint(
        family=tower.family,
        model=LoneModel(model=model),
        preparation=TransformersPreparation(tokenizer=None, processor=processor),
        weights=weights,
        image=encoder_config(config),
        preprocessing=preprocessing,
        files=image_files(checkpoint, config, processor, preprocessing),
    )


def _text(
    checkpoint: str,
    tower: LoneTower,
    config: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
    theirs: Any,  # noqa: ANN401
) -> LoadedCheckpoint:
    weights, names = _whole_names(state_of(model), tower), tower.family.text
    tokenizer = read_tokenizer(
        theirs,
        context=len(weights[names.position_embedding]),
        trim=names.attention_mask != "full",
        lower_case=names.lower_case,
    )
    if names.attention_mask == "full":
        warn_of_mask(theirs)
    end_id = config.eos_token_id
    return LoadedCheckpoint(
        family=tower.family,
        model=LoneModel(model=model),
        preparation=TransformersPreparation(tokenizer=theirs, processor=None),
        weights=weights,
        text=encoder_config(config),
        end_id=None if end_id == names.legacy_end_id else end_id,
        tokenizer=tokenizer,
        files={**config_file(checkpoint, config), TOKENIZER: tokenizer.json},
    )
