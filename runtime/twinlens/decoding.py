"""Decoding: one image of a stream becomes pixels, or the reason why there are none."""

import os
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images import ImageLike, load
from twinlens.pixels.reading import READING, Reading


class Picture(NamedTuple):
    """An image under a name, as `read_images` finds it in a folder, a tar or a table."""

    name: str
    image: ImageLike | ImageError
    """The image, or why there is none."""


Numbered = tuple[int, ImageLike | Picture]
"""An image, and the index that its error names."""


class Decoded(NamedTuple):
    """One image after decoding."""

    number: int
    name: str
    """A picture's own, else its path, else "image 7"."""
    pixels: NDArray[np.uint8] | ImageError
    """[S, S, 3], or why there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """How images become pixels, beside what the bundle says of it.

    twinlens.load("clip-b32", pixels=Pixels(mode="fast", reading=Reading(background=(0, 0, 0))))
    """

    mode: PixelMode = "exact"
    reading: Reading = READING

    def __str__(self) -> str:
        changed = [
            f"{name} {getattr(self.reading, name)}"
            for name in ("upright", "background", "profiles")
            if getattr(self.reading, name) != getattr(READING, name)
        ]
        return ", ".join([self.mode, *changed])


EXACT: Final = Pixels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """One image in, its pixels out."""

    spec: ImageSpec
    pixels: Pixels

    def __call__(self, numbered: Numbered) -> Decoded:
        """Decode one image; what is wrong with it is in the result, with its index and name."""
        number, given = numbered
        plain = f"image {number}"
        name, image = given if isinstance(given, Picture) else (_path(given) or plain, given)
        try:
            if isinstance(image, ImageError):
                raise image
            mode, reading = self.pixels.mode, self.pixels.reading
            return Decoded(number, name, load(image, self.spec, mode=mode, reading=reading))
        except ImageError as error:
            told = name == plain or name in str(error)
            failure = ImageError(f"{plain}: {error}" if told else f"{plain} ({name}): {error}")
            failure.__cause__ = error
            return Decoded(number, name, failure)


def _path(image: ImageLike) -> str | None:
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
