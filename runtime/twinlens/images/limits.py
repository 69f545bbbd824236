"""Limits on encoded images, checked before anything is decoded."""

from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF")
"""Formats decoded by default, the most common first: Pillow imports their modules in this order."""
FORBIDDEN_FORMAT: Final = "EPS"
"""Format that Pillow would start Ghostscript for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on encoded images; an image beyond them is an ImageError before it is decoded.

    Raises ValueError if a number is below 1, if `formats` is empty, or if it has EPS.

        Limits(max_pixels=10_000_000)        # refuses photographs above 10 megapixels
        Limits(formats=(*FORMATS, "HEIF"))   # after pillow_heif.register_heif_opener()
    """

    max_pixels: int = 64_000_000
    """Width times height. A file of a few hundred bytes can claim gigabytes of pixels."""
    max_bytes: int = 100_000_000
    """Size of the encoded file."""
    max_scans: int = 100
    """Scans of a JPEG. Progressive files have about 10; each costs a decoding of the whole image,
    and a dozen bytes."""
    formats: tuple[str, ...] = FORMATS
    """Pillow's names of the accepted formats."""

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_bytes", "max_scans"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}, not a positive number")
        if not self.formats:
            raise ValueError("formats is empty; name one, such as JPEG")
        if FORBIDDEN_FORMAT in self.formats:
            raise ValueError(
                f"formats has {FORBIDDEN_FORMAT}, for which Pillow would run Ghostscript"
            )


LIMITS: Final = Limits()
