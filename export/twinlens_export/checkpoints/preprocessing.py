"""The preprocessing of images: the part of the runtime, and the part folded into the tower."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import quoted
from twinlens_export.architecture import PixelNormalization
from twinlens_export.errors import CheckpointError

Fields = Mapping[str, Any]
Interpolation = Literal["bicubic", "bilinear", "lanczos"]
Resize = Literal["shortest_edge", "squash", "pad"]

OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Final = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Preprocessing of an image, from a file to the floats of the checkpoint's training."""

    image: ImageSpec
    """From an image to uint8 pixels: done by the runtime."""
    normalization: PixelNormalization
    """From uint8 pixels to floats: folded into the tower."""


def square_side(size: Any) -> int:  # noqa: ANN401  any value of the JSON
    """Return the one side length in a number, a list or an object.

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
        raise CheckpointError(
            f"the images are not square: {quoted(shown)}; square ones are supported"
        )
    return int(sides.pop())


def rgb(values: Any) -> tuple[float, ...]:  # noqa: ANN401  any value of the JSON
    """Return one number for each of red, green and blue; a single one stands for all.

    Raises:
        CheckpointError: there are not three numbers.
    """
    numbers = tuple(values) if isinstance(values, (list, tuple)) else (values,) * 3
    if len(numbers) != 3:
        raise CheckpointError(f"{quoted(list(numbers))} are not three numbers, one for each colour")
    return tuple(float(number) for number in numbers)
