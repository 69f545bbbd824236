"""An open_clip_config.json: the towers that it describes, or why they are not supported."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from twinlens_export.architecture import Activation, Place, Sight
from twinlens_export.checkpoints.families import OPEN_CLIP, OPEN_CLIP_SIGLIP, Family
from twinlens_export.checkpoints.preprocessing import Preprocessing, read_open_clip, square_side
from twinlens_export.checkpoints.state_dict import Shape
from twinlens_export.errors import CheckpointError

Fields = Mapping[str, Any]

EPSILON: Final = 1e-5
"""Of open_clip's norms, where norm_kwargs is silent."""
SUPPORTED: Final = "supported are OpenCLIP's own two transformers, and timm's SigLIP"
SIGLIP: Final = re.compile(r"vit_\w+_siglip_\d+")
"""timm's names of SigLIP's image towers; those with `gap` in the name are others."""
PLACES: Final[Mapping[str, Place]] = {
    "argmax": "end",
    "eos": "end",
    "first": "first",
    "last": "last",
}
"""Where a text is pooled, by `pool_type`."""

IMAGE: Final[Fields] = {
    "head_width": 64,
    "image_size": 224,
    "layers": 12,
    "norm_kwargs": {},
    "pool_type": "tok",
    "width": 768,
}
"""Fields of vision_cfg that are read, and what open_clip takes where they are silent."""
TEXT: Final[Fields] = {
    "eos_id": 2,
    "heads": 8,
    "layers": 12,
    "no_causal_mask": False,
    "norm_kwargs": {},
    "pool_type": "argmax",
}
TIMM: Final[Fields] = {"timm_pool": ("map",), "timm_proj": ("none", "")}
"""How SigLIP ends in timm."""
TAKEN: Final = (("act_kwargs", {"approximate": "tanh"}),)
"""Values that are supported, of fields of which others are not."""
ALIKE: Final = frozenset(
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
"""Fields that change no tower, or that its weights answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipConfig:
    """What is to be known of an OpenCLIP checkpoint beside its weights."""

    family: Family
    image: Shape | None
    """None: timm knows."""
    text: Shape
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
    sight: Sight = "all" if text["no_causal_mask"] else "causal"
    place = _place(text, sight)
    timm = bool(image.get("timm_model_name"))
    family = OPEN_CLIP_SIGLIP if timm else OPEN_CLIP
    heads = image["width"] // image["head_width"]
    return OpenClipConfig(
        family=replace(family, text=replace(family.text, sight=sight, place=place)),
        image=None if timm else _shape(model, image, heads=heads),
        text=_shape(model, text, heads=text["heads"]),
        preprocessing=read_open_clip(
            document.get("preprocess_cfg", {}), side_px=square_side(image["image_size"])
        ),
        end_id=text["eos_id"] if text["pool_type"] == "eos" else None,
        tokenizer=text.get("tokenizer_kwargs") or {},
    )


def _refuse_others(model: Fields, image: Fields, text: Fields) -> None:
    """Refuse what the anatomy has no place for: silence would give other embeddings."""
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
    known = {**IMAGE, **TEXT}.keys() | ALIKE
    for part, fields in (("vision_cfg", image), ("text_cfg", text)):
        for field, value in fields.items():
            # A field that is off does nothing, whatever it would do.
            if field in known or not value or (field, value) in TAKEN:
                continue
            raise CheckpointError(
                f"{part} has {field} = {value!r}, which is not supported; {SUPPORTED}"
            )


def _place(text: Fields, sight: Sight) -> Place:
    kind = text["pool_type"]
    known = PLACES if sight == "all" else {"argmax": PLACES["argmax"], "eos": PLACES["eos"]}
    if kind not in known:
        raise CheckpointError(f"text_cfg has pool_type {kind!r}; supported are {', '.join(known)}")
    return known[kind]


def _require_pooling(image: Fields) -> None:
    fields = TIMM if image.get("timm_model_name") else {"pool_type": ("tok",)}
    for field, known in fields.items():
        if image.get(field) not in known:
            raise CheckpointError(
                f"vision_cfg has {field} {image.get(field)!r}; {known[0]!r} is supported"
            )


def _shape(model: Fields, tower: Fields, *, heads: int) -> Shape:
    return Shape(
        layers=tower["layers"],
        heads=heads,
        activation=_activation(model, tower),
        epsilon=tower["norm_kwargs"].get("eps", EPSILON),
    )


def _activation(model: Fields, tower: Fields) -> Activation:
    if model.get("quick_gelu"):
        return "quick_gelu"
    return "gelu_tanh" if tower.get("act_kwargs") else "gelu"
