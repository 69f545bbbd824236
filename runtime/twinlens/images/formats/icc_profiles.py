"""The profiles: colours of an embedded ICC profile as sRGB."""

import io

from PIL import Image, ImageCms

from twinlens.images.formats.color_modes import flat
from twinlens.images.read_options import WHITE


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture as sRGB; a profile that is damaged or of other colours is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return flat(image, WHITE)
    return converted or flat(image, WHITE)
