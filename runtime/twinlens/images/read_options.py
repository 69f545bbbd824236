"""Read options: orientation, background, profiles and limits of a file."""

from dataclasses import dataclass
from typing import Final

from twinlens.images.limits import LIMITS, Limits

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255 each."""

WHITE: Final[Colour] = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How files are read; the defaults are what transformers does.

    ReadOptions(limits=Limits(max_pixels=10_000_000))
    ReadOptions(background=(0, 0, 0))        # logos that were drawn for a dark page
    """

    upright: bool = True
    """Turn paths, bytes and files by their EXIF orientation; PIL images and arrays stay."""
    background: Colour = WHITE
    """What is seen through transparent pixels."""
    profiles: bool = False
    """Convert by the embedded ICC profile to sRGB; else the profile is ignored."""
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        if len(self.background) != 3 or not all(0 <= part <= 255 for part in self.background):
            raise ValueError(f"background is {self.background}, not three numbers of 0..255")


READ_DEFAULTS: Final = ReadOptions()
