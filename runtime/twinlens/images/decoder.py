"""Decoding: one image of a stream becomes pixels, or the reason why there are none."""

import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load
from twinlens.images.named_image import NamedImage, NumberedImage
from twinlens.images.open import ImageLike
from twinlens.images.pixel_options import PixelOptions


class Decoded(NamedTuple):
    """One image after decoding."""

    number: int
    name: str
    """A picture's own, else its path, else "image 7"."""
    pixels: NDArray[np.uint8] | ImageError
    """[S, S, 3], or why there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """One image in, its pixels out."""

    spec: ImageSpec
    pixels: PixelOptions

    def __call__(self, numbered: NumberedImage) -> Decoded:
        """Decode one image; what is wrong with it is in the result, with its index and name."""
        number, given = numbered
        plain = f"image {number}"
        name, image = given if isinstance(given, NamedImage) else (_path(given) or plain, given)
        try:
            if isinstance(image, ImageError):
                raise image
            mode, read = self.pixels.mode, self.pixels.read
            return Decoded(number, name, load(image, self.spec, mode=mode, read=read))
        except ImageError as error:
            told = name == plain or name in str(error)
            failure = ImageError(f"{plain}: {error}" if told else f"{plain} ({name}): {error}")
            failure.__cause__ = error
            return Decoded(number, name, failure)


def _path(image: ImageLike) -> str | None:
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
