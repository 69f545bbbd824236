"""The families of OpenCLIP: its own transformers, and SigLIP's with an image tower of timm."""

# ruff: noqa: S106  a token embedding is no password

from dataclasses import replace
from typing import Final

from twinlens_export.checkpoints.families.family import (
    Family,
    ImageNames,
    LayerNames,
    PoolNames,
    TextNames,
    fused,
)

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
    fused=fused("attn.in_proj_{}", "attn.q_proj", "attn.k_proj", "attn.v_proj"),
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
        **fused("attn.qkv.{}", "attn.q_proj", "attn.k_proj", "attn.v_proj"),
        **fused("attn_pool.kv.{}", "attn_pool.k", "attn_pool.v"),
    },
)
"""SigLIP in open_clip: its image tower is timm's."""
