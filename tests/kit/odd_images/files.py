"""Files: how they lie, how many pictures they hold, and what may be wrong with them."""

import io
from typing import Final

from PIL import Image

from odd_images.oddity import (
    CUT,
    NOT_KNOWN,
    RED,
    Odd,
    Refused,
    encoded,
    exif,
    frames,
    in_folder,
    jpeg,
    lacks,
    plain,
    ramps,
    saved,
    seen,
    turned,
)
from twinlens.images.read_options import ReadOptions


def damaged_exif() -> bytes:
    content = jpeg(exif=exif(6))
    return content.replace(b"Exif\0\0MM\0*", b"Exif\0\0XX\0*")


def overwritten(content: bytes) -> bytes:
    middle = len(content) * 3 // 4
    return content[:middle] + b"\x55" * 20 + content[middle + 20 :]


ORIENTATIONS: Final = (
    Odd(
        given="JPEG with an EXIF orientation",
        comes="turned upright",
        make=lambda _: jpeg(exif=exif(6)),
        outcome=seen(turned, 4),
    ),
    Odd(
        given="PNG with an EXIF orientation",
        comes="turned upright",
        make=saved(ramps, "PNG", exif=exif(6)),
        outcome=seen(turned),
    ),
    Odd(
        given="WebP with an EXIF orientation",
        comes="turned upright",
        make=saved(ramps, "WEBP", lossless=True, exif=exif(6)),
        outcome=seen(turned),
    ),
    Odd(
        given="TIFF with an orientation",
        comes="turned upright",
        make=saved(ramps, "TIFF", exif=exif(6)),
        outcome=seen(turned),
    ),
    Odd(
        given="AVIF with an EXIF orientation",
        comes="turned upright",
        make=lambda _: encoded(ramps(), "AVIF", exif=exif(6), quality=95),
        outcome=seen(turned, 8),
    ),
    Odd(
        given="any of these, `ReadOptions(upright=False)`",
        comes="as it is stored (a TIFF is turned all the same: Pillow does it)",
        make=lambda _: jpeg(exif=exif(6)),
        outcome=seen(ramps, 4),
        read=ReadOptions(upright=False),
    ),
    Odd(
        given="PIL image that was opened from such a file",
        comes="as it lies, as in transformers",
        make=lambda _: Image.open(io.BytesIO(encoded(ramps(), "PNG", exif=exif(6)))),
        outcome=seen(ramps),
    ),
    Odd(
        given="orientation that means nothing (0, 9, ...)",
        comes="as it is stored",
        make=lambda _: jpeg(exif=exif(9)),
        outcome=seen(ramps, 4),
    ),
    Odd(
        given="damaged EXIF",
        comes="as it is stored",
        make=lambda _: damaged_exif(),
        outcome=seen(ramps, 4),
    ),
)

SEVERAL: Final = (
    Odd(
        given="animated GIF",
        comes="its first frame",
        make=frames("GIF"),
        outcome=seen(plain(RED)),
    ),
    Odd(
        given="animated WebP",
        comes="its first frame",
        make=frames("WEBP", lossless=True),
        outcome=seen(plain(RED)),
    ),
    Odd(
        given="animated PNG",
        comes="its first frame",
        make=frames("PNG"),
        outcome=seen(plain(RED)),
    ),
    Odd(
        given="animated AVIF",
        comes="its first frame",
        make=frames("AVIF", quality=95),
        outcome=seen(plain(RED), 3),
    ),
    Odd(
        given="TIFF of several pages",
        comes="its first page",
        make=frames("TIFF"),
        outcome=seen(plain(RED)),
    ),
    Odd(
        given="JPEG of several pictures (MPO, as phones write)",
        comes="the first",
        make=frames("MPO", quality=95),
        outcome=seen(plain(RED), 3),
    ),
)

DAMAGED: Final = (
    Odd(
        given="JPEG that lacks its end mark",
        comes="the picture, which is whole",
        make=lacks(jpeg(), 2),
        outcome=seen(ramps, 4),
    ),
    Odd(
        given="JPEG that was cut short",
        comes="refused: the rest would be gray",
        make=lacks(jpeg(), 120),
        outcome=CUT,
    ),
    Odd(
        given="progressive JPEG that was cut short",
        comes="refused",
        make=lacks(jpeg(progressive=True), 120),
        outcome=CUT,
    ),
    Odd(
        given="JPEG with wrong bytes in its middle",
        comes="what the decoder makes of it: Pillow does not tell",
        make=lambda _: overwritten(jpeg()),
        outcome=seen(lambda: Image.open(io.BytesIO(overwritten(jpeg())))),
    ),
    Odd(
        given="JPEG or PNG with anything behind its end",
        comes="the picture",
        make=lambda _: encoded(ramps(), "PNG") + b"appended" * 1000,
        outcome=seen(ramps),
    ),
    Odd(
        given="PNG that lacks its end mark",
        comes="the picture, which is whole",
        make=lacks(encoded(ramps(), "PNG"), 12),
        outcome=seen(ramps),
    ),
    Odd(
        given="PNG that was cut short",
        comes="refused",
        make=lacks(encoded(ramps(), "PNG"), 70),
        outcome=CUT,
    ),
    Odd(
        given="PNG with a wrong checksum",
        comes="refused",
        make=lambda _: encoded(ramps(), "PNG").replace(b"IHDR\0\0\0\x28", b"IHDR\0\0\0\x29"),
        outcome=Refused(message="is no image that can be decoded|cannot be decoded"),
    ),
    Odd(
        given="GIF that was cut short",
        comes="refused",
        make=lacks(encoded(ramps(), "GIF"), 300),
        outcome=CUT,
    ),
    Odd(
        given="WebP that was cut short",
        comes="refused",
        make=lacks(encoded(ramps(), "WEBP"), 30),
        outcome=Refused(message="is no image that can be decoded|cannot be decoded"),
    ),
    Odd(
        given="BMP, PPM or uncompressed TIFF that was cut short",
        comes="refused",
        make=lacks(encoded(ramps(), "BMP"), 300),
        outcome=CUT,
    ),
    Odd(
        given="empty file",
        comes="refused",
        make=in_folder("empty.jpg", b""),
        outcome=NOT_KNOWN,
    ),
    Odd(
        given="web page that was saved under the name of a picture",
        comes="refused",
        make=in_folder("404.jpg", b"<!DOCTYPE html><title>Not found</title>"),
        outcome=NOT_KNOWN,
    ),
    Odd(
        given="picture under a name that says another format, or none",
        comes="the picture: names say nothing",
        make=in_folder("picture.txt", encoded(ramps(), "PNG")),
        outcome=seen(ramps),
    ),
)
