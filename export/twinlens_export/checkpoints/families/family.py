"""A family of checkpoints: the names of the weights of its towers.

A name ends before `.weight` and `.bias`. An empty name marks a weight that the family lacks; a
weight that one checkpoint lacks is left out, where the tower can do without.
"""

# ruff: noqa: S105  a token embedding is no password

from collections.abc import Mapping
from dataclasses import dataclass, field

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


def fused(whole: str, *parts: str) -> dict[str, tuple[str, ...]]:
    """Return the endings of one fused map; in `whole`, {} stands for weight or bias."""
    kinds = ("weight", "bias")
    return {whole.format(kind): tuple(f"{part}.{kind}" for part in parts) for kind in kinds}
