"""The configuration of an OpenCLIP checkpoint: open_clip_config.json, read or refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from twinlens.errors import quoted
from twinlens_export.architecture import Activation, AttentionMask, Pooling
from twinlens_export.checkpoints.families import OPEN_CLIP, OPEN_CLIP_SIGLIP, Family
from twinlens_export.checkpoints.open_clip_preprocessing import read_preprocess_cfg
from twinlens_export.checkpoints.preprocessing import Fields, Preprocessing, square_side
from twinlens_export.checkpoints.state_dict import EncoderConfig
from twinlens_export.errors import CheckpointError

EPSILON: Final = 1e-5
"""Default of open_clip's norms."""
SUPPORTED: Final = "supported are OpenCLIP's own two transformers, and timm's SigLIP"
SIGLIP: Final = re.compile(r"vit_\w+_siglip_\d+")
"""timm's names of SigLIP's image towers; those with `gap` in the name are others."""
POOLINGS: Final[Mapping[str, Pooling]] = {
    "argmax": "eos",
    "eos": "eos",
    "first": "first",
    "last": "last",
}
"""Poolings of a text, by `pool_type`."""

IMAGE: Final[Fields] = {
    "head_width": 64,
    "image_size": 224,
    "layers": 12,
    "norm_kwargs": {},
    "pool_type": "tok",
    "width": 768,
}
"""Fields of vision_cfg that are read, with open_clip's defaults."""
TEXT: Final[Fields] = {
    "eos_id": 2,
    "heads": 8,
    "layers": 12,
    "no_causal_mask": False,
    "norm_kwargs": {},
    "pool_type": "argmax",
}
TIMM: Final[Fields] = {"timm_pool": ("map",), "timm_proj": ("none", "")}
"""Pooling and projection of SigLIP in timm."""
SUPPORTED_VALUES: Final = (("act_kwargs", {"approximate": "tanh"}),)
"""Supported values of fields with unsupported ones."""
WITHOUT_EFFECT: Final = frozenset(
    {
        "attn_pooler_heads",  # of a pool that `attentional_pool` turns on
        "attn_pooler_queries",
        "context_length",
        "final_ln_after_pool",  # the same where one token is chosen
        "hf_tokenizer_name",  # open_clip's own affair
        "mlp_ratio",
        "no_ln_pre",
        "pad_id",
        "patch_dropout",  # in training only
        "patch_size",
        "pos_embed_type",
        "proj_bias",
        "proj_type",
        "timm_drop",  # in training only, as are the next two
        "timm_drop_path",
        "timm_model_name",
        "timm_model_pretrained",
        "timm_pool",
        "timm_proj",
        "tokenizer_kwargs",
        "vocab_size",
        "width",
    }
)
"""Fields without an effect on a tower, or answered by its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipConfig:
    """The configuration of an OpenCLIP checkpoint."""

    family: Family
    image: EncoderConfig | None
    """None: timm's model has it."""
    text: EncoderConfig
    preprocessing: Preprocessing
    end_id: int | None
    """None: the largest id ends a text."""
    tokenizer: Fields
    """`tokenizer_kwargs`."""


def read_open_clip_config(document: Fields) -> OpenClipConfig:
    """Read an open_clip_config.json.

    Raises:
        CheckpointError: it describes a tower that is not supported, or holds an unknown field.
    """
    try:
        model = document["model_cfg"]
        image, text = model["vision_cfg"], model["text_cfg"]
    except KeyError as error:
        raise CheckpointError(f"open_clip_config.json has no {error}") from error
    _refuse_others(model, image, text)
    image, text = IMAGE | image, TEXT | text
    _require_pooling(image)
    mask: AttentionMask = "full" if text["no_causal_mask"] else "causal"
    pooling = _pooling(text, mask)
    timm = bool(image.get("timm_model_name"))
    family = OPEN_CLIP_SIGLIP if timm else OPEN_CLIP
    heads = image["width"] // image["head_width"]
    return OpenClipConfig(
        family=replace(family, text=replace(family.text, attention_mask=mask, pooling=pooling)),
        image=None if timm else _encoder(model, image, heads=heads),
        text=_encoder(model, text, heads=text["heads"]),
        preprocessing=read_preprocess_cfg(
            document.get("preprocess_cfg", {}), side_px=square_side(image["image_size"])
        ),
        end_id=text["eos_id"] if text["pool_type"] == "eos" else None,
        tokenizer=text.get("tokenizer_kwargs") or {},
    )


def _refuse_others(model: Fields, image: Fields, text: Fields) -> None:
    """Refuse fields beyond the architecture: to ignore them would change the embeddings."""
    if (name := image.get("timm_model_name")) and not SIGLIP.fullmatch(name):
        raise CheckpointError(
            f"the image tower is timm's {name}, which is not supported; {SUPPORTED}"
        )
    if isinstance(image.get("layers"), (list, tuple)):
        raise CheckpointError(f"the image tower is a ResNet, which is not supported; {SUPPORTED}")
    if name := text.get("hf_model_name"):
        raise CheckpointError(f"the text tower is a {name}, which is not supported; {SUPPORTED}")
    if "multimodal_cfg" in model:
        raise CheckpointError(f"the checkpoint is a CoCa, which is not supported; {SUPPORTED}")
    known = {**IMAGE, **TEXT}.keys() | WITHOUT_EFFECT
    for part, fields in (("vision_cfg", image), ("text_cfg", text)):
        for field, value in fields.items():
            # A field that is off has no effect, known or not.
            if field in known or not value or (field, value) in SUPPORTED_VALUES:
                continue
            raise CheckpointError(
                f"{part} has {field} = {quoted(repr(value))}, which is not supported; {SUPPORTED}"
            )


def _pooling(text: Fields, mask: AttentionMask) -> Pooling:
    kind = text["pool_type"]
    known = [name for name in POOLINGS if mask == "full" or POOLINGS[name] == "eos"]
    if kind not in known:
        raise CheckpointError(
            f"text_cfg has pool_type {quoted(repr(kind))}; supported are {', '.join(known)}"
        )
    return POOLINGS[kind]


def _require_pooling(image: Fields) -> None:
    fields = TIMM if image.get("timm_model_name") else {"pool_type": ("tok",)}
    for field, known in fields.items():
        if image.get(field) not in known:
            raise CheckpointError(
                f"vision_cfg has {field} {quoted(repr(image.get(field)))}; "
                f"{known[0]!r} is supported"
            )


def _encoder(model: Fields, tower: Fields, *, heads: int) -> EncoderConfig:
    return EncoderConfig(
        layers=tower["layers"],
        heads=heads,
        activation=_activation(model, tower),
        epsilon=tower["norm_kwargs"].get("eps", EPSILON),
    )


def _activation(model: Fields, tower: Fields) -> Activation:
    if model.get("quick_gelu"):
        return "quick_gelu"
    return "gelu_tanh" if tower.get("act_kwargs") else "gelu"
