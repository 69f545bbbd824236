"""The configuration of an OpenCLIP checkpoint, and the kind of each of its towers.

A tower is a transformer of `architecture.py` if all that its configuration says is known here; any
other is traced, as open_clip builds it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from twinlens_export.architecture import Activation, AttentionMask, ImagePooling, Pooling
from twinlens_export.checkpoints.families.family import Family
from twinlens_export.checkpoints.families.open_clip import OPEN_CLIP, OPEN_CLIP_SIGLIP
from twinlens_export.checkpoints.open_clip.preprocessing import read_preprocess_cfg
from twinlens_export.checkpoints.preprocessing import Fields, Preprocessing, square_side
from twinlens_export.checkpoints.state_dict import EncoderConfig
from twinlens_export.errors import CheckpointError

EPSILON: Final = 1e-5
"""Default of open_clip's norms."""
SIGLIP: Final = re.compile(r"vit_\w+_siglip_\d+")
"""timm's names of SigLIP's image towers; those with `gap` in the name are others."""
ImageKind = Literal["open_clip", "timm_siglip", "traced"]
TextKind = Literal["open_clip", "traced"]
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
    "final_ln_after_pool": False,
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
        "ls_init_value",  # the scales are folded into the maps before them
        "mlp_ratio",
        "no_ln_pre",
        "output_tokens",  # beside the features
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
    image_kind: ImageKind
    text_kind: TextKind
    image: EncoderConfig | None
    """None: the model itself has it."""
    text: EncoderConfig | None
    """None: the tower is traced."""
    image_pooling: ImagePooling
    trim: bool
    """True if padding at the end of a text changes nothing."""
    preprocessing: Preprocessing
    end_id: int | None
    """None: the largest id ends a text."""
    tokenizer: Fields
    """`tokenizer_kwargs`, and `tokenizer_mode`."""
    text_model: str | None
    """Name of the text tower's model of transformers; None: it is open_clip's own."""


def read_open_clip_config(document: Fields) -> OpenClipConfig:
    """Read an open_clip_config.json.

    Raises:
        CheckpointError: it lacks a tower, or its images are prepared in a way that the runtime
            cannot follow.
    """
    try:
        model = document["model_cfg"]
        image, text = IMAGE | model["vision_cfg"], TEXT | model["text_cfg"]
    except KeyError as error:
        raise CheckpointError(f"open_clip_config.json has no {error}") from error
    image_kind, text_kind = _image_kind(image), _text_kind(text)
    mask: AttentionMask = "full" if text["no_causal_mask"] else "causal"
    family = OPEN_CLIP_SIGLIP if image_kind == "timm_siglip" else OPEN_CLIP
    names = replace(
        family.text, attention_mask=mask, pooling=POOLINGS.get(text["pool_type"], "eos")
    )
    return OpenClipConfig(
        family=replace(family, text=names),
        image_kind=image_kind,
        text_kind=text_kind,
        image=_encoder(model, image, heads=image["width"] // image["head_width"])
        if image_kind == "open_clip"
        else None,
        text=None if text_kind == "traced" else _encoder(model, text, heads=text["heads"]),
        image_pooling="mean" if image["pool_type"] == "avg" else "class",
        # transformers' models hide their padding.
        trim="hf_model_name" in text if text_kind == "traced" else mask == "causal",
        preprocessing=read_preprocess_cfg(
            document.get("preprocess_cfg", {}), side_px=square_side(image["image_size"])
        ),
        end_id=text["eos_id"] if text["pool_type"] == "eos" else None,
        tokenizer={
            **(text.get("tokenizer_kwargs") or {}),
            "tokenizer_mode": text.get("tokenizer_mode"),
        },
        text_model=text.get("hf_model_name"),
    )


def _image_kind(image: Fields) -> ImageKind:
    if name := image.get("timm_model_name"):
        is_siglip = SIGLIP.fullmatch(name) and all(
            image.get(field) in known for field, known in TIMM.items()
        )
        return "timm_siglip" if is_siglip else "traced"
    is_resnet = isinstance(image["layers"], (list, tuple))
    pooled = image["pool_type"] == "tok" or (
        image["pool_type"] == "avg" and image["final_ln_after_pool"]
    )
    return "open_clip" if pooled and not is_resnet and _is_known(image) else "traced"


def _text_kind(text: Fields) -> TextKind:
    pooling = POOLINGS.get(text["pool_type"])
    # Behind a causal mask, padding of another length would move the last token.
    pooled = pooling == "eos" or (pooling is not None and text["no_causal_mask"])
    return "open_clip" if pooled and _is_known(text) else "traced"


def _is_known(fields: Fields) -> bool:
    """Return True if no field says more of a tower than this file understands."""
    known = {**IMAGE, **TEXT}.keys() | WITHOUT_EFFECT
    # A field that is off has no effect, known or not.
    return all(
        field in known or not value or (field, value) in SUPPORTED_VALUES
        for field, value in fields.items()
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
