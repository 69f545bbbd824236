"""Read options: orientation, background, colour profiles and limits of files."""

from dataclasses import dataclass
from typing import Final

from twinlens.images.limits import LIMITS, Limits

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255 each."""

WHITE: Final[Colour] = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Options for reading files; the defaults are those of transformers.

    Raises ValueError if `background` is not three numbers of 0..255.

        ReadOptions(limits=Limits(max_pixels=10_000_000))
        ReadOptions(background=(0, 0, 0))        # logos that were drawn for a dark page
    """

    upright: bool = True
    """Turn paths, bytes and files upright by their EXIF orientation; PIL images and arrays keep
    theirs."""
    background: Colour = WHITE
    """Colour behind transparent pixels."""
    profiles: bool = False
    """Convert by the embedded ICC profile to sRGB; else the profile is ignored."""
    limits: Limits = LIMITS
    """Largest files and images, and the accepted formats."""

    def __post_init__(self) -> None:
        if len(self.background) != 3 or not all(0 <= part <= 255 for part in self.background):
            raise ValueError(f"background is {self.background}, not three numbers of 0..255")


READ_DEFAULTS: Final = ReadOptions()
