"""What a checkpoint does to a picture, as the values that the bundle and the tower know."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from twinlens.bundle.specs import ImageSpec
from twinlens_export.architecture import PixelNormalization
from twinlens_export.errors import CheckpointError

Fields = Mapping[str, Any]
Interpolation = Literal["bicubic", "bilinear", "lanczos"]
Resize = Literal["shortest_edge", "squash", "pad"]

OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Final = (0.26862954, 0.26130258, 0.27577711)
HALVES: Final = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """From a picture to the numbers that the tower was trained on."""

    image: ImageSpec
    """How it becomes uint8 pixels: the runtime's part."""
    pixels: PixelNormalization
    """How those become floats: folded into the tower."""


# What transformers saves.

RESAMPLING: Final[Mapping[int, Interpolation]] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as preprocessor_config.json holds them."""

USUAL: Final = {
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
}
CLIP: Final = USUAL | {
    "size": {"shortest_edge": 224},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "image_mean": OPENAI_MEAN,
    "image_std": OPENAI_STD,
}
SIGLIP: Final = USUAL | {
    "size": {"height": 224, "width": 224},
    "do_center_crop": False,
    "crop_size": None,
    "image_mean": HALVES,
    "image_std": HALVES,
}
PROCESSORS: Final[Mapping[str, Fields]] = MappingProxyType(
    {"CLIP": CLIP, "ChineseCLIP": CLIP, "Siglip": SIGLIP}
)
"""What each of transformers' processors does where its file is silent.

SigLIP 2 of a fixed resolution is saved with SigLIP's; `Siglip2` is the one of any resolution.
"""
ENDINGS: Final = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")

NO_PIXELS: Final = frozenset(
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
        "_valid_processor_keys",
    }
)
"""Fields that do not change a pixel of an RGB picture."""


def read_processor(fields: Fields, *, side_px: int) -> Preprocessing:
    """The preprocessing of a preprocessor_config.json, or of a processor's `to_dict()`.

    Args:
        fields: the JSON object.
        side_px: what the tower sees.

    Raises:
        CheckpointError: the runtime cannot do what the processor does, or a field is not known.
    """
    usual = _usual(fields)
    for name, value in fields.items():
        # A field that is off does nothing, whatever it would do.
        if name not in usual and name not in NO_PIXELS and value not in (None, False):
            raise CheckpointError(
                f"the image processor has {name} = {value!r}, which may change pixels and is not "
                f"supported; known are {', '.join(sorted(usual))}"
            )
    known = {**usual, **{name: fields[name] for name in usual if fields.get(name) is not None}}
    number = int(known["resample"])
    if number not in RESAMPLING:
        raise CheckpointError(
            f"the image processor resamples by filter {number}, which is not supported; "
            f"supported are {', '.join(f'{n} ({name})' for n, name in RESAMPLING.items())}"
        )
    image = ImageSpec(
        side_px=side_px, resize=_resize(known, side_px), interpolation=RESAMPLING[number]
    )
    return Preprocessing(image=image, pixels=_pixels(known))


def _usual(fields: Fields) -> Fields:
    name = fields.get("image_processor_type") or fields.get("feature_extractor_type") or ""
    for kind, usual in PROCESSORS.items():
        if name in {f"{kind}{ending}" for ending in ENDINGS}:
            return usual
    raise CheckpointError(
        f"the image processor is {name or 'not named'}, which is not supported; supported are "
        f"those of {', '.join(PROCESSORS)}"
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


def _pixels(known: Fields) -> PixelNormalization:
    normalise = known["do_normalize"]
    return PixelNormalization(
        factor=float(known["rescale_factor"]) if known["do_rescale"] else 1.0,
        mean=_three(known["image_mean"]) if normalise else (0.0, 0.0, 0.0),
        std=_three(known["image_std"]) if normalise else (1.0, 1.0, 1.0),
    )


# What open_clip saves.

OPEN_CLIP: Final = {
    "size": None,
    "mode": "RGB",
    "mean": OPENAI_MEAN,
    "std": OPENAI_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
"""What open_clip does where preprocess_cfg is silent."""
RESIZE_MODES: Final[Mapping[str, Resize]] = {
    "shortest": "shortest_edge",
    "longest": "pad",
    "squash": "squash",
}
INTERPOLATIONS: Final[Mapping[str, Interpolation]] = {
    "bicubic": "bicubic",
    "bilinear": "bilinear",
    "random": "bicubic",  # random in training only
}


def read_open_clip(fields: Fields, *, side_px: int) -> Preprocessing:
    """The preprocessing of the preprocess_cfg in an open_clip_config.json.

    Args:
        fields: the JSON object `preprocess_cfg`.
        side_px: `image_size` of `model_cfg.vision_cfg`.

    Raises:
        CheckpointError: the runtime cannot do what it says, or a field is not known.
    """
    for name in fields:
        if name not in OPEN_CLIP:
            raise CheckpointError(
                f"preprocess_cfg has {name} = {fields[name]!r}, which may change pixels and is "
                f"not supported; known are {', '.join(OPEN_CLIP)}"
            )
    known = {**OPEN_CLIP, **{name: value for name, value in fields.items() if value is not None}}
    if known["mode"] != "RGB":
        raise CheckpointError(f"preprocess_cfg has mode {known['mode']!r}; RGB is supported")
    given = side_px if known["size"] is None else square_side({"size": known["size"]})
    if given != side_px:
        raise CheckpointError(f"preprocess_cfg resizes to {given}, the tower sees {side_px} pixels")
    image = ImageSpec(
        side_px=side_px,
        resize=_choice(RESIZE_MODES, known["resize_mode"], "resize_mode"),
        interpolation=_choice(INTERPOLATIONS, known["interpolation"], "interpolation"),
        crop="round",  # torchvision's CenterCrop
        fill=_colour(known["fill_color"]),
    )
    pixels = PixelNormalization(
        factor=1 / 255, mean=_three(known["mean"]), std=_three(known["std"])
    )
    return Preprocessing(image=image, pixels=pixels)


def _choice(table: Mapping[str, Any], name: str, field: str) -> Any:  # noqa: ANN401  of the table
    if name not in table:
        raise CheckpointError(
            f"preprocess_cfg has {field} {name!r}; supported are {', '.join(table)}"
        )
    return table[name]


# What both need.


def square_side(size: Any) -> int:  # noqa: ANN401  whatever the JSON holds
    """The one side length that a number, a list or an object has.

    Raises:
        CheckpointError: there is more than one.
    """
    if isinstance(size, int):
        return size
    sides: set[int] = set()
    for value in size.values() if isinstance(size, Mapping) else [size]:
        sides.update(value if isinstance(value, (list, tuple)) else (value,))
    if len(sides) != 1:
        shown = dict(size) if isinstance(size, Mapping) else size
        raise CheckpointError(f"the images are not square: {shown}; square ones are supported")
    return int(sides.pop())


def _three(values: Any) -> tuple[float, ...]:  # noqa: ANN401  whatever the JSON holds
    """One number for each of red, green and blue; a single one stands for all."""
    numbers = tuple(values) if isinstance(values, (list, tuple)) else (values,) * 3
    if len(numbers) != 3:
        raise CheckpointError(f"{list(numbers)} are not three numbers, one for each colour")
    return tuple(float(number) for number in numbers)


def _colour(value: Any) -> tuple[int, int, int]:  # noqa: ANN401  whatever the JSON holds
    red, green, blue = (int(part) for part in _three(value))
    return red, green, blue
