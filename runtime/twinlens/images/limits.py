"""The limits: what is refused before it is decoded."""

from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF")
"""What is decoded, the commonest first, as Pillow imports their modules in this order."""
NEVER: Final = "EPS"
"""Pillow would start Ghostscript for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may ask for.

    Limits(max_pixels=10_000_000)        # refuses what a phone of 2012 could not have taken
    Limits(formats=(*FORMATS, "HEIF"))   # after pillow_heif.register_heif_opener()
    """

    max_pixels: int = 64_000_000
    """Width times height. A bomb of a few hundred bytes can ask for gigabytes."""
    max_bytes: int = 100_000_000
    """Of the encoded file."""
    formats: tuple[str, ...] = FORMATS
    """Pillow's names of the formats; any other is no image."""

    def __post_init__(self) -> None:
        for name, value in (("max_pixels", self.max_pixels), ("max_bytes", self.max_bytes)):
            if value < 1:
                raise ValueError(f"{name} is {value}, not a positive number")
        if not self.formats:
            raise ValueError("formats is empty; name one, such as JPEG")
        if NEVER in self.formats:
            raise ValueError(f"formats has {NEVER}, for which Pillow would run Ghostscript")


LIMITS: Final = Limits()
