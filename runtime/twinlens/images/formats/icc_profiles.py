"""Conversion of colours by an embedded ICC profile to sRGB."""

import io

from PIL import Image, ImageCms

from twinlens.images.formats.color_modes import flatten
from twinlens.images.read_options import WHITE


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB; a profile that is damaged or of another colour space is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return flatten(image, WHITE)
    return converted or flatten(image, WHITE)
