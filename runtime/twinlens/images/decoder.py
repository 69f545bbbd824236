"""Decoding of one image of a stream to its pixels, or to the reason of the failure."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError, quoted
from twinlens.images.image_like import ImageLike, ReadContent
from twinlens.images.kept import Drawn, KeptImage
from twinlens.images.load import load
from twinlens.images.named_image import NamedImage
from twinlens.images.pixel_options import PixelOptions
from twinlens.images.sources.open import path_of

NumberedImage = tuple[int, Drawn]
"""Index of an image in its stream, for error messages, and the image."""


class DecodeResult(NamedTuple):
    """Result of decoding one image of a stream."""

    number: int
    """Index of the image in the stream."""
    name: str
    """Name of a NamedImage, else the path, else "image 7"."""
    pixels: NDArray[np.uint8] | ImageError
    """[S, S, 3], or the error of an image that cannot be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Function from one image of a stream to its pixels."""

    spec: ImageSpec
    pixels: PixelOptions

    def __call__(self, numbered: NumberedImage) -> DecodeResult:
        """Decode one image; an error goes into the result, with the image's index and name."""
        number, given = numbered
        plain = f"image {number}"
        if isinstance(given, (NamedImage, KeptImage)):
            name, image = given.name or plain, given.image
        else:
            name, image = _name_of(given, plain), given
        try:
            return DecodeResult(number, name, self.one(image))
        except ImageError as error:
            short = quoted(name)
            is_named = name == plain or short in str(error)
            failure = ImageError(f"{plain}: {error}" if is_named else f"{plain} ({short}): {error}")
            failure.__cause__ = error
            return DecodeResult(number, name, failure)

    def one(self, image: ImageLike | ReadContent | ImageError | NamedImage) -> NDArray[np.uint8]:
        """Decode an image of no stream to pixels [S, S, 3].

        Raises:
            ImageError: it cannot be decoded, or is the reason for its own absence.
        """
        if isinstance(image, NamedImage):
            image = image.image
        if isinstance(image, ImageError):
            raise image
        return load(image, self.spec, mode=self.pixels.mode, read=self.pixels.read)


def _name_of(image: ImageLike, otherwise: str) -> str:
    try:
        return path_of(image) or otherwise
    except Exception:  # noqa: BLE001  `load` tells the reason
        return otherwise
