"""Files with an EXIF orientation."""

import io
from typing import Final

from PIL import Image

from odd_images.makers import encoded, exif, jpeg, ramps, saved, turned
from odd_images.odd_input import OddInput, loaded
from twinlens.images.read_options import ReadOptions


def damaged_exif() -> bytes:
    content = jpeg(exif=exif(6))
    return content.replace(b"Exif\0\0MM\0*", b"Exif\0\0XX\0*")


ORIENTATIONS: Final = (
    OddInput(
        given="JPEG with an EXIF orientation",
        result="turned upright",
        make=lambda _: jpeg(exif=exif(6)),
        outcome=loaded(turned, 4),
    ),
    OddInput(
        given="PNG with an EXIF orientation",
        result="turned upright",
        make=saved(ramps, "PNG", exif=exif(6)),
        outcome=loaded(turned),
    ),
    OddInput(
        given="WebP with an EXIF orientation",
        result="turned upright",
        make=saved(ramps, "WEBP", lossless=True, exif=exif(6)),
        outcome=loaded(turned),
    ),
    OddInput(
        given="TIFF with an orientation",
        result="turned upright",
        make=saved(ramps, "TIFF", exif=exif(6)),
        outcome=loaded(turned),
    ),
    OddInput(
        given="AVIF with an EXIF orientation",
        result="turned upright",
        make=lambda _: encoded(ramps(), "AVIF", exif=exif(6), quality=95),
        outcome=loaded(turned, 8),
    ),
    OddInput(
        given="any of these, `ReadOptions(upright=False)`",
        result="as it is stored (a TIFF is turned all the same: Pillow does it)",
        make=lambda _: jpeg(exif=exif(6)),
        outcome=loaded(ramps, 4),
        read=ReadOptions(upright=False),
    ),
    OddInput(
        given="PIL image opened from such a file",
        result="as it is stored, as in transformers",
        make=lambda _: Image.open(io.BytesIO(encoded(ramps(), "PNG", exif=exif(6)))),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="undefined orientation (0, 9, ...)",
        result="as it is stored",
        make=lambda _: jpeg(exif=exif(9)),
        outcome=loaded(ramps, 4),
    ),
    OddInput(
        given="damaged EXIF",
        result="as it is stored",
        make=lambda _: damaged_exif(),
        outcome=loaded(ramps, 4),
    ),
)
