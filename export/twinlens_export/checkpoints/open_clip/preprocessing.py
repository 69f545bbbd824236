"""The transforms of OpenCLIP: the preprocess_cfg of an open_clip_config.json as preprocessing."""

from collections.abc import Mapping
from typing import Any, Final

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

DEFAULTS: Final = {
    "size": None,
    "mode": "RGB",
    "mean": OPENAI_MEAN,
    "std": OPENAI_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
"""open_clip's own, for fields that preprocess_cfg lacks."""
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


def read_preprocess_cfg(fields: Fields, *, side_px: int) -> Preprocessing:
    """Return the preprocessing of the preprocess_cfg in an open_clip_config.json.

    Args:
        fields: the JSON object `preprocess_cfg`.
        side_px: `image_size` of `model_cfg.vision_cfg`.

    Raises:
        CheckpointError: the runtime cannot reproduce it, or a field is not known.
    """
    for name in fields:
        if name not in DEFAULTS:
            raise CheckpointError(
                f"preprocess_cfg has {name} = {quoted(repr(fields[name]))}, which may change "
                f"pixels and is not supported; known are {', '.join(DEFAULTS)}"
            )
    known = {**DEFAULTS, **{name: value for name, value in fields.items() if value is not None}}
    if known["mode"] != "RGB":
        raise CheckpointError(
            f"preprocess_cfg has mode {quoted(repr(known['mode']))}; RGB is supported"
        )
    given = side_px if known["size"] is None else square_side({"size": known["size"]})
    if given != side_px:
        raise CheckpointError(f"preprocess_cfg resizes to {given}, the tower sees {side_px} pixels")
    image = ImageSpec(
        side_px=side_px,
        resize=_choice(RESIZE_MODES, known["resize_mode"], "resize_mode"),
        interpolation=_choice(INTERPOLATIONS, known["interpolation"], "interpolation"),
        crop="round",  # torchvision's CenterCrop
        fill=_fill(known["fill_color"]),
    )
    normalization = PixelNormalization(
        factor=1 / 255, mean=rgb(known["mean"]), std=rgb(known["std"])
    )
    return Preprocessing(image=image, normalization=normalization)


def _choice(table: Mapping[str, Any], name: str, field: str) -> Any:  # noqa: ANN401  of the table
    if name not in table:
        raise CheckpointError(
            f"preprocess_cfg has {field} {quoted(repr(name))}; supported are {', '.join(table)}"
        )
    return table[name]


def _fill(value: Any) -> tuple[int, int, int]:  # noqa: ANN401  any value of the JSON
    red, green, blue = (int(part) for part in rgb(value))
    return red, green, blue
