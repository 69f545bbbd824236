"""The families of transformers, by the `model_type` of config.json."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from twinlens_export.checkpoints.families.family import (
    Family,
    ImageNames,
    PoolNames,
    TextNames,
    fused,
)
from twinlens_export.checkpoints.families.text_encoders import BERT, ROBERTA, beneath

CLIP: Final = Family(name="clip", model="CLIPModel", text=TextNames(legacy_end_id=2))
"""Configurations older than transformers 4.31 hold 2 as the end id."""

SIGLIP: Final = Family(
    name="siglip",
    model="SiglipModel",
    image=ImageNames(class_embedding="", input_norm="", pool=PoolNames(), projection=""),
    text=TextNames(
        projection="text_model.head", attention_mask="full", pooling="last", lower_case=True
    ),
    fused=fused("attention.in_proj_{}", "attention.q_proj", "attention.k_proj", "attention.v_proj"),
)
CHINESE_CLIP: Final = Family(
    name="chinese_clip",
    model="ChineseCLIPModel",
    text=replace(beneath(BERT, "text_model."), projection="text_projection", pooling="first"),
)
ALTCLIP: Final = Family(
    name="altclip",
    model="AltCLIPModel",
    text=replace(
        beneath(ROBERTA, "text_model.roberta."),
        layers="text_model.roberta.encoder.layers",
        output_norm="text_model.pre_LN",
        before_projection="text_model.transformation",
        projection="text_projection",
        pooling="first",
    ),
    renamed={".roberta.encoder.layer.": ".roberta.encoder.layers."},
)
"""Its text tower is an XLM-RoBERTa."""
FAMILIES: Final[Mapping[str, Family]] = {
    "clip": CLIP,
    "metaclip_2": Family(name="metaclip_2", model="MetaClip2Model"),
    "siglip": SIGLIP,
    "chinese_clip": CHINESE_CLIP,
    "altclip": ALTCLIP,
}
"""Families of transformers, by the `model_type` of config.json."""
