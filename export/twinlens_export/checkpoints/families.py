"""The families of checkpoints: what each calls the parts of its towers, and what it does with them.

A name ends before `.weight` and `.bias`. A part whose name is empty does not exist in the family;
one that a particular checkpoint lacks is left out, where the tower can do without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from twinlens_export.architecture import Place, Sight
from twinlens_export.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNames:
    """Names of one layer's parts, below the layer's own name."""

    attention_norm: str = "layer_norm1"
    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    mixed: str = "self_attn.out_proj"
    mlp_norm: str = "layer_norm2"
    widen: str = "mlp.fc1"
    narrow: str = "mlp.fc2"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNames:
    """Names of a pooling head's parts."""

    probe: str = "vision_model.head.probe"
    query: str = "vision_model.head.attention.q_proj"
    key: str = "vision_model.head.attention.k_proj"
    value: str = "vision_model.head.attention.v_proj"
    mixed: str = "vision_model.head.attention.out_proj"
    mlp_norm: str = "vision_model.head.layernorm"
    widen: str = "vision_model.head.mlp.fc1"
    narrow: str = "vision_model.head.mlp.fc2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNames:
    """Names of an image tower's parts."""

    patches: str = "vision_model.embeddings.patch_embedding"
    class_embedding: str = "vision_model.embeddings.class_embedding"
    positions: str = "vision_model.embeddings.position_embedding.weight"
    input_norm: str = "vision_model.pre_layrnorm"
    layers: str = "vision_model.encoder.layers"
    layer: LayerNames = field(default_factory=LayerNames)
    output_norm: str = "vision_model.post_layernorm"
    pool: PoolNames | None = None
    projection: str = "visual_projection"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextNames:
    """Names of a text tower's parts, and what tells it from other text towers."""

    tokens: str = "text_model.embeddings.token_embedding.weight"
    positions: str = "text_model.embeddings.position_embedding.weight"
    types: str = ""
    """Kinds of tokens, of which every text has the first."""
    input_norm: str = ""
    layers: str = "text_model.encoder.layers"
    layer: LayerNames = field(default_factory=LayerNames)
    output_norm: str = "text_model.final_layer_norm"
    projection: str = "text_projection"
    sight: Sight = "causal"
    place: Place = "end"
    norm_last: bool = False
    lower_case: bool = False
    """Whether all texts of its training were."""
    legacy_end_id: int | None = None
    """An end id that is wrong wherever a configuration has it; there the largest id ends a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What tells one family of checkpoints from another."""

    name: str
    model: str
    """The class that the original is of."""
    image: ImageNames = field(default_factory=ImageNames)
    text: TextNames = field(default_factory=TextNames)
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Endings of names under which several maps lie in one, and the ending of each."""


def _fused(whole: str, *each: str) -> dict[str, tuple[str, ...]]:
    """Of one place: `whole` has {} where weight or bias stands."""
    kinds = ("weight", "bias")
    return {whole.format(kind): tuple(f"{part}.{kind}" for part in each) for kind in kinds}


CLIP: Final = Family(name="clip", model="CLIPModel", text=TextNames(legacy_end_id=2))
"""Configurations older than transformers 4.31 hold 2 as the end id."""

SIGLIP: Final = Family(
    name="siglip",
    model="SiglipModel",
    image=ImageNames(class_embedding="", input_norm="", pool=PoolNames(), projection=""),
    text=TextNames(projection="text_model.head", sight="all", place="last", lower_case=True),
    fused=_fused(
        "attention.in_proj_{}", "attention.q_proj", "attention.k_proj", "attention.v_proj"
    ),
)
CHINESE_CLIP: Final = Family(
    name="chinese_clip",
    model="ChineseCLIPModel",
    text=TextNames(
        tokens="text_model.embeddings.word_embeddings.weight",
        positions="text_model.embeddings.position_embeddings.weight",
        types="text_model.embeddings.token_type_embeddings.weight",
        input_norm="text_model.embeddings.LayerNorm",
        layers="text_model.encoder.layer",
        layer=LayerNames(
            attention_norm="attention.output.LayerNorm",
            query="attention.self.query",
            key="attention.self.key",
            value="attention.self.value",
            mixed="attention.output.dense",
            mlp_norm="output.LayerNorm",
            widen="intermediate.dense",
            narrow="output.dense",
        ),
        output_norm="",
        sight="counted",
        place="first",
        norm_last=True,
    ),
)
_BLOCK: Final = LayerNames(
    attention_norm="ln_1",
    query="attn.q_proj",
    key="attn.k_proj",
    value="attn.v_proj",
    mixed="attn.out_proj",
    mlp_norm="ln_2",
    widen="mlp.c_fc",
    narrow="mlp.c_proj",
)
OPEN_CLIP: Final = Family(
    name="open_clip",
    model="CLIP",
    image=ImageNames(
        patches="visual.conv1",
        class_embedding="visual.class_embedding",
        positions="visual.positional_embedding",
        input_norm="visual.ln_pre",
        layers="visual.transformer.resblocks",
        layer=_BLOCK,
        output_norm="visual.ln_post",
        projection="visual.proj",
    ),
    text=TextNames(
        tokens="token_embedding.weight",
        positions="positional_embedding",
        layers="transformer.resblocks",
        layer=_BLOCK,
        output_norm="ln_final",
        projection="text_projection",
    ),
    fused=_fused("attn.in_proj_{}", "attn.q_proj", "attn.k_proj", "attn.v_proj"),
)
"""open_clip's own transformers, its text tower without the `text.` that newer ones have before."""
OPEN_CLIP_SIGLIP: Final = replace(
    OPEN_CLIP,
    model="CustomTextCLIP",
    image=ImageNames(
        patches="visual.trunk.patch_embed.proj",
        class_embedding="",
        positions="visual.trunk.pos_embed",
        input_norm="",
        layers="visual.trunk.blocks",
        layer=LayerNames(
            attention_norm="norm1",
            query="attn.q_proj",
            key="attn.k_proj",
            value="attn.v_proj",
            mixed="attn.proj",
            mlp_norm="norm2",
        ),
        output_norm="visual.trunk.norm",
        pool=PoolNames(
            probe="visual.trunk.attn_pool.latent",
            query="visual.trunk.attn_pool.q",
            key="visual.trunk.attn_pool.k",
            value="visual.trunk.attn_pool.v",
            mixed="visual.trunk.attn_pool.proj",
            mlp_norm="visual.trunk.attn_pool.norm",
            widen="visual.trunk.attn_pool.mlp.fc1",
            narrow="visual.trunk.attn_pool.mlp.fc2",
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
}
"""What transformers reads, by the `model_type` of config.json."""


def family_of(model_type: str) -> Family:
    """The family of a checkpoint that transformers saved.

    Raises:
        CheckpointError: it is not supported; the message says which are.
    """
    try:
        return FAMILIES[model_type]
    except KeyError:
        raise CheckpointError(
            f"the checkpoint is a {model_type!r}, which is not supported; give one whose "
            f"config.json has model_type {' or '.join(FAMILIES)}, or an OpenCLIP checkpoint"
        ) from None
