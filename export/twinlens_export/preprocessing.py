"""What a checkpoint's image processor does, as the values that the bundle and the tower know."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from twinlens.bundle import ImageSpec
from twinlens_export.anatomy import Pixels
from twinlens_export.errors import CheckpointError

Interpolation = Literal["bicubic", "bilinear", "lanczos"]

RESAMPLING: Final[Mapping[int, Interpolation]] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as preprocessor_config.json holds them."""


def image_spec(processor: Any, config: Any) -> ImageSpec:  # noqa: ANN401
    """How pictures are resized; `config` is the vision half of the checkpoint's configuration.

    Raises:
        CheckpointError: the runtime cannot do what the processor does.
    """
    side_px = _square({"image_size": config.image_size})
    resize = _resize(processor, side_px)
    number = int(processor.resample)
    if number not in RESAMPLING:
        raise CheckpointError(
            f"the image processor resamples by filter {number}, which is not supported; "
            f"supported are {', '.join(f'{n} ({name})' for n, name in RESAMPLING.items())}"
        )
    return ImageSpec(side_px=side_px, resize=resize, interpolation=RESAMPLING[number], crop="floor")


def pixels(processor: Any) -> Pixels:  # noqa: ANN401
    """How uint8 becomes what the tower was trained on; it is folded into the tower."""
    normalise = processor.do_normalize
    return Pixels(
        factor=float(processor.rescale_factor) if processor.do_rescale else 1.0,
        mean=tuple(processor.image_mean) if normalise else (0.0, 0.0, 0.0),
        std=tuple(processor.image_std) if normalise else (1.0, 1.0, 1.0),
    )


def _resize(processor: Any, side_px: int) -> Literal["shortest_edge", "squash"]:  # noqa: ANN401
    size = dict(processor.size)
    if not processor.do_resize:
        raise CheckpointError("the image processor does not resize; set do_resize to true")
    shortest = size.pop("shortest_edge", None)
    given = shortest if shortest is not None else _square(size)
    if shortest is not None and not processor.do_center_crop:
        raise CheckpointError(
            "the image processor scales the shortest edge but does not crop; "
            "set do_center_crop to true"
        )
    cropped = _square(dict(processor.crop_size)) if processor.do_center_crop else side_px
    if (given, cropped) != (side_px, side_px):
        raise CheckpointError(
            f"the image processor resizes to {given} and crops to {cropped}, "
            f"the tower sees {side_px} pixels; the three must be equal"
        )
    return "squash" if shortest is None else "shortest_edge"


def _square(size: Mapping[str, Any]) -> int:
    """The one side length that all the entries have."""
    sides: set[int] = set()
    for value in size.values():
        sides.update(value if isinstance(value, (list, tuple)) else (value,))
    if len(sides) != 1:
        raise CheckpointError(f"the images are not square: {dict(size)}; square ones are supported")
    return int(sides.pop())
