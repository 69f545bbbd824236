"""The image processors of transformers: a preprocessor_config.json as preprocessing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import quoted
from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.preprocessing import (
    OPENAI_MEAN,
    OPENAI_STD,
    Fields,
    Interpolation,
    Preprocessing,
    Resize,
    rgb,
    square_side,
)
from twinlens_export.errors import CheckpointError

HALVES: Final = (0.5, 0.5, 0.5)

RESAMPLING: Final[Mapping[int, Interpolation]] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as preprocessor_config.json holds them."""

DEFAULTS: Final = {
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
}
CLIP: Final = DEFAULTS | {
    "size": {"shortest_edge": 224},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "image_mean": OPENAI_MEAN,
    "image_std": OPENAI_STD,
}
SIGLIP: Final = DEFAULTS | {
    "size": {"height": 224, "width": 224},
    "do_center_crop": False,
    "crop_size": None,
    "image_mean": HALVES,
    "image_std": HALVES,
}
BLIP: Final = SIGLIP | {
    "size": {"height": 384, "width": 384},
    "image_mean": OPENAI_MEAN,
    "image_std": OPENAI_STD,
}
VIT: Final = SIGLIP | {"resample": 2}
PROCESSORS: Final[Mapping[str, Fields]] = MappingProxyType(
    {"CLIP": CLIP, "ChineseCLIP": CLIP, "Siglip": SIGLIP, "Blip": BLIP, "ViT": VIT}
)
"""Defaults of each of transformers' processors.

SigLIP 2 of a fixed resolution is saved with SigLIP's; `Siglip2` is the one of any resolution.
"""
ENDINGS: Final = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")

WITHOUT_EFFECT: Final = frozenset(
    {
        "data_format",
        "device",
        "disable_grouping",
        "do_convert_rgb",  # the runtime always does
        "feature_extractor_type",
        "image_processor_type",
        "input_data_format",
        "processor_class",
        "return_tensors",
        "use_fast",  # one of two implementations of the same processor
        "_valid_processor_keys",
    }
)
"""Fields without an effect on the pixels of an RGB image."""


def read_processor(fields: Fields, *, side_px: int) -> Preprocessing:
    """Return the preprocessing of a preprocessor_config.json, or of a processor's `to_dict()`.

    Args:
        fields: the JSON object.
        side_px: height and width of the tower's input.

    Raises:
        CheckpointError: the runtime cannot reproduce the processor, or a field is not known.
    """
    defaults = _defaults(fields)
    _refuse_unknown(fields, defaults)
    known = {
        **defaults,
        **{name: fields[name] for name in defaults if fields.get(name) is not None},
    }
    number = int(known["resample"])
    if number not in RESAMPLING:
        raise CheckpointError(
            f"the image processor resamples by filter {number}, which is not supported; "
            f"supported are {', '.join(f'{n} ({name})' for n, name in RESAMPLING.items())}"
        )
    image = ImageSpec(
        side_px=side_px, resize=_resize(known, side_px), interpolation=RESAMPLING[number]
    )
    return Preprocessing(image=image, normalization=_normalization(known))


def _defaults(fields: Fields) -> Fields:
    name = fields.get("image_processor_type") or fields.get("feature_extractor_type") or ""
    for kind, defaults in PROCESSORS.items():
        if name in {f"{kind}{ending}" for ending in ENDINGS}:
            return defaults
    raise CheckpointError(
        f"the image processor is {name or 'not named'}, which is not supported; supported are "
        f"those of {', '.join(PROCESSORS)}"
    )


def _refuse_unknown(fields: Fields, defaults: Fields) -> None:
    for name, value in fields.items():
        # A field that is off has no effect, known or not.
        if name not in defaults and name not in WITHOUT_EFFECT and value not in (None, False):
            raise CheckpointError(
                f"the image processor has {name} = {quoted(repr(value))}, which may change pixels "
                f"and is not supported; known are {', '.join(sorted(defaults))}"
            )


def _resize(known: Fields, side_px: int) -> Resize:
    if not known["do_resize"]:
        raise CheckpointError("the image processor does not resize; set do_resize to true")
    size = known["size"]
    # A bare number is the shortest edge to all of transformers' CLIP-like processors.
    shortest = size if isinstance(size, int) else size.get("shortest_edge")
    given = shortest if shortest is not None else square_side(size)
    if shortest is not None and not known["do_center_crop"]:
        raise CheckpointError(
            "the image processor scales the shortest edge but does not crop; "
            "set do_center_crop to true"
        )
    cropped = square_side(known["crop_size"]) if known["do_center_crop"] else side_px
    if (given, cropped) != (side_px, side_px):
        raise CheckpointError(
            f"the image processor resizes to {given} and crops to {cropped}, "
            f"the tower sees {side_px} pixels; the three must be equal"
        )
    return "squash" if shortest is None else "shortest_edge"


def _normalization(known: Fields) -> PixelNormalization:
    normalise = known["do_normalize"]
    return PixelNormalization(
        factor=float(known["rescale_factor"]) if known["do_rescale"] else 1.0,
        mean=rgb(known["image_mean"]) if normalise else (0.0, 0.0, 0.0),
        std=rgb(known["image_std"]) if normalise else (1.0, 1.0, 1.0),
    )
