"""The families of checkpoints: each one's names for the weights of its towers, and its variants.

A name ends before `.weight` and `.bias`. An empty name marks a weight that the family lacks; a
weight that one checkpoint lacks is left out, where the tower can do without.
"""

# ruff: noqa: S105, S106  a token embedding is no password

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from twinlens_export.architecture import AttentionMask, Pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNames:
    """Names of one layer's weights, below the layer's own name."""

    attention_norm: str = "layer_norm1"
    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    out_proj: str = "self_attn.out_proj"
    mlp_norm: str = "layer_norm2"
    fc1: str = "mlp.fc1"
    fc2: str = "mlp.fc2"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNames:
    """Names of an attention pool's weights."""

    probe: str = "vision_model.head.probe"
    query: str = "vision_model.head.attention.q_proj"
    key: str = "vision_model.head.attention.k_proj"
    value: str = "vision_model.head.attention.v_proj"
    out_proj: str = "vision_model.head.attention.out_proj"
    mlp_norm: str = "vision_model.head.layernorm"
    fc1: str = "vision_model.head.mlp.fc1"
    fc2: str = "vision_model.head.mlp.fc2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNames:
    """Names of an image tower's weights."""

    patch_embedding: str = "vision_model.embeddings.patch_embedding"
    class_embedding: str = "vision_model.embeddings.class_embedding"
    position_embedding: str = "vision_model.embeddings.position_embedding.weight"
    input_norm: str = "vision_model.pre_layrnorm"
    layers: str = "vision_model.encoder.layers"
    layer: LayerNames = field(default_factory=LayerNames)
    output_norm: str = "vision_model.post_layernorm"
    pool: PoolNames | None = None
    projection: str = "visual_projection"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextNames:
    """Names of a text tower's weights, and its differences from other text towers."""

    token_embedding: str = "text_model.embeddings.token_embedding.weight"
    position_embedding: str = "text_model.embeddings.position_embedding.weight"
    token_type_embedding: str = ""
    """Embedding of token types; every text has the first type."""
    input_norm: str = ""
    layers: str = "text_model.encoder.layers"
    layer: LayerNames = field(default_factory=LayerNames)
    output_norm: str = "text_model.final_layer_norm"
    before_projection: str = ""
    """A linear map between the pooled token and the projection."""
    projection: str = "text_projection"
    attention_mask: AttentionMask = "causal"
    pooling: Pooling = "eos"
    post_norm: bool = False
    lower_case: bool = False
    """True if all texts of its training were in lower case."""
    position_offset: int = 0
    """Rows of the position embedding before that of the first token."""
    legacy_end_id: int | None = None
    """An end id that is wrong in every configuration with it; there the largest id ends a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of checkpoints."""

    name: str
    model: str
    """Name of the reference model's class."""
    image: ImageNames = field(default_factory=ImageNames)
    text: TextNames = field(default_factory=TextNames)
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name endings of fused linear maps, each with the endings of its parts."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Parts of names that have changed in transformers: the older ones, with those used here."""


def _fused(whole: str, *parts: str) -> dict[str, tuple[str, ...]]:
    """Endings of one fused map; in `whole`, {} stands for weight or bias."""
    kinds = ("weight", "bias")
    return {whole.format(kind): tuple(f"{part}.{kind}" for part in parts) for kind in kinds}


CLIP: Final = Family(name="clip", model="CLIPModel", text=TextNames(legacy_end_id=2))
"""Configurations older than transformers 4.31 hold 2 as the end id."""

SIGLIP: Final = Family(
    name="siglip",
    model="SiglipModel",
    image=ImageNames(class_embedding="", input_norm="", pool=PoolNames(), projection=""),
    text=TextNames(
        projection="text_model.head", attention_mask="full", pooling="last", lower_case=True
    ),
    fused=_fused(
        "attention.in_proj_{}", "attention.q_proj", "attention.k_proj", "attention.v_proj"
    ),
)
CHINESE_CLIP: Final = Family(
    name="chinese_clip",
    model="ChineseCLIPModel",
    text=TextNames(
        token_embedding="text_model.embeddings.word_embeddings.weight",
        position_embedding="text_model.embeddings.position_embeddings.weight",
        token_type_embedding="text_model.embeddings.token_type_embeddings.weight",
        input_norm="text_model.embeddings.LayerNorm",
        layers="text_model.encoder.layer",
        layer=LayerNames(
            attention_norm="attention.output.LayerNorm",
            query="attention.self.query",
            key="attention.self.key",
            value="attention.self.value",
            out_proj="attention.output.dense",
            mlp_norm="output.LayerNorm",
            fc1="intermediate.dense",
            fc2="output.dense",
        ),
        output_norm="",
        attention_mask="padding",
        pooling="first",
        post_norm=True,
    ),
)
ALTCLIP: Final = Family(
    name="altclip",
    model="AltCLIPModel",
    text=replace(
        CHINESE_CLIP.text,
        token_embedding="text_model.roberta.embeddings.word_embeddings.weight",
        position_embedding="text_model.roberta.embeddings.position_embeddings.weight",
        token_type_embedding="text_model.roberta.embeddings.token_type_embeddings.weight",
        input_norm="text_model.roberta.embeddings.LayerNorm",
        layers="text_model.roberta.encoder.layers",
        output_norm="text_model.pre_LN",
        before_projection="text_model.transformation",
        position_offset=2,
    ),
    renamed={".roberta.encoder.layer.": ".roberta.encoder.layers."},
)
"""Its text tower is an XLM-RoBERTa."""
_BLOCK: Final = LayerNames(
    attention_norm="ln_1",
    query="attn.q_proj",
    key="attn.k_proj",
    value="attn.v_proj",
    out_proj="attn.out_proj",
    mlp_norm="ln_2",
    fc1="mlp.c_fc",
    fc2="mlp.c_proj",
)
OPEN_CLIP: Final = Family(
    name="open_clip",
    model="CLIP",
    image=ImageNames(
        patch_embedding="visual.conv1",
        class_embedding="visual.class_embedding",
        position_embedding="visual.positional_embedding",
        input_norm="visual.ln_pre",
        layers="visual.transformer.resblocks",
        layer=_BLOCK,
        output_norm="visual.ln_post",
        projection="visual.proj",
    ),
    text=TextNames(
        token_embedding="token_embedding.weight",
        position_embedding="positional_embedding",
        layers="transformer.resblocks",
        layer=_BLOCK,
        output_norm="ln_final",
        projection="text_projection",
    ),
    fused=_fused("attn.in_proj_{}", "attn.q_proj", "attn.k_proj", "attn.v_proj"),
)
"""open_clip's own transformers; names of the text tower are without the newer prefix `text.`."""
OPEN_CLIP_SIGLIP: Final = replace(
    OPEN_CLIP,
    model="CustomTextCLIP",
    image=ImageNames(
        patch_embedding="visual.trunk.patch_embed.proj",
        class_embedding="",
        position_embedding="visual.trunk.pos_embed",
        input_norm="",
        layers="visual.trunk.blocks",
        layer=LayerNames(
            attention_norm="norm1",
            query="attn.q_proj",
            key="attn.k_proj",
            value="attn.v_proj",
            out_proj="attn.proj",
            mlp_norm="norm2",
        ),
        output_norm="visual.trunk.norm",
        pool=PoolNames(
            probe="visual.trunk.attn_pool.latent",
            query="visual.trunk.attn_pool.q",
            key="visual.trunk.attn_pool.k",
            value="visual.trunk.attn_pool.v",
            out_proj="visual.trunk.attn_pool.proj",
            mlp_norm="visual.trunk.attn_pool.norm",
            fc1="visual.trunk.attn_pool.mlp.fc1",
            fc2="visual.trunk.attn_pool.mlp.fc2",
        ),
        projection="",
    ),
    fused={
        **OPEN_CLIP.fused,
        **_fused("attn.qkv.{}", "attn.q_proj", "attn.k_proj", "attn.v_proj"),
        **_fused("attn_pool.kv.{}", "attn_pool.k", "attn_pool.v"),
    },
)
"""SigLIP in open_clip: its image tower is timm's."""

FAMILIES: Final[Mapping[str, Family]] = {
    "clip": CLIP,
    "metaclip_2": Family(name="metaclip_2", model="MetaClip2Model"),
    "siglip": SIGLIP,
    "chinese_clip": CHINESE_CLIP,
    "altclip": ALTCLIP,
}
"""Families of transformers, by the `model_type` of config.json."""
