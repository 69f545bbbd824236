"""Whole image made smaller for the eye: upright, in sRGB, nothing transparent."""

from typing import Final

from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.formats.color_modes import flatten
from twinlens.images.formats.icc_profiles import to_srgb
from twinlens.images.image_like import ReadContent
from twinlens.images.load import decode_encoded
from twinlens.images.read_options import ReadOptions
from twinlens.images.sources.open import errors_as_image_error

LONGEST: Final = 3
"""Most times that the longer edge of the result has the length asked for."""
PROFILED: Final = frozenset({"CMYK", "L", "RGB"})
"""Modes that a profile is applied to after resizing."""


def shrink(image: ReadContent, *, side_px: int, read: ReadOptions) -> Image.Image:
    """Return an image whose shorter edge has at most `side_px` pixels; none is enlarged.

    Unlike the towers' pixels it is not cropped, and its colours are converted by the profile, as
    browsers do. A large JPEG is decoded smaller.

    Raises:
        ImageError: it cannot be read; the message has the reason.
    """
    with errors_as_image_error(image.name, read.limits):
        decoded = decode_encoded(image, image.name, ImageSpec(side_px=side_px), "fast", read)
        stored = decoded.image
        profile = stored.info.get("icc_profile")
        if stored.has_transparency_data or stored.mode not in PROFILED:
            stored = flatten(stored, read.background)
        small = stored.resize(
            _fitted(stored.size, side_px), Image.Resampling.LANCZOS, reducing_gap=3.0
        )
        if decoded.orientation.transpose is not None and read.upright:
            small = small.transpose(decoded.orientation.transpose)
        return (to_srgb(small, profile) if profile else small).convert("RGB")


def _fitted(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    shorter, longer = sorted(size)
    scale = min(1.0, side_px / shorter, LONGEST * side_px / longer)
    width, height = size
    return max(1, round(width * scale)), max(1, round(height * scale))
