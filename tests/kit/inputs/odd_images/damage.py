"""Truncated and damaged files."""

import io
import zlib
from typing import Final

from PIL import Image

from odd_images.makers import chunk, encoded, in_folder, jpeg, ramps, truncated
from odd_images.odd_input import TRUNCATED, UNKNOWN_FORMAT, OddInput, Refused, loaded


def overwritten(content: bytes) -> bytes:
    middle = len(content) * 3 // 4
    return content[:middle] + b"\x55" * 20 + content[middle + 20 :]


def with_chunk(extra: bytes) -> bytes:
    """PNG with a chunk before its pixels."""
    content = encoded(ramps(), "PNG")
    at = content.index(b"IDAT") - 4
    return content[:at] + extra + content[at:]


DAMAGED: Final = (
    OddInput(
        given="JPEG without its end-of-image marker",
        result="the image, which is complete",
        make=truncated(jpeg(), 2),
        outcome=loaded(ramps, 4),
    ),
    OddInput(
        given="truncated JPEG",
        result="refused: the rest would be gray",
        make=truncated(jpeg(), 120),
        outcome=TRUNCATED,
    ),
    OddInput(
        given="truncated progressive JPEG",
        result="refused",
        make=truncated(jpeg(progressive=True), 120),
        outcome=TRUNCATED,
    ),
    OddInput(
        given="JPEG with wrong bytes in the middle",
        result="the decoder's pixels: Pillow reports no error",
        make=lambda _: overwritten(jpeg()),
        outcome=loaded(lambda: Image.open(io.BytesIO(overwritten(jpeg())))),
    ),
    OddInput(
        given="JPEG or PNG with bytes appended after its end",
        result="the image",
        make=lambda _: encoded(ramps(), "PNG") + b"appended" * 1000,
        outcome=loaded(ramps),
    ),
    OddInput(
        given="PNG without its IEND chunk",
        result="the image, which is complete",
        make=truncated(encoded(ramps(), "PNG"), 12),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="truncated PNG",
        result="refused",
        make=truncated(encoded(ramps(), "PNG"), 70),
        outcome=TRUNCATED,
    ),
    OddInput(
        given="PNG with a wrong checksum",
        result="refused",
        make=lambda _: encoded(ramps(), "PNG").replace(b"IHDR\0\0\0\x28", b"IHDR\0\0\0\x29"),
        outcome=Refused(message="is no image that can be decoded|cannot be decoded"),
    ),
    OddInput(
        given="PNG with metadata that is damaged, or larger than 1 MB",
        result="the image: metadata is dropped, but for transparency, orientation and ICC profile",
        make=lambda _: with_chunk(chunk(b"zTXt", b"a\0\0" + zlib.compress(b"box " * 400_000))),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="truncated GIF",
        result="refused",
        make=truncated(encoded(ramps(), "GIF"), 300),
        outcome=TRUNCATED,
    ),
    OddInput(
        given="truncated WebP",
        result="refused",
        make=truncated(encoded(ramps(), "WEBP"), 30),
        outcome=Refused(message="is no image that can be decoded|cannot be decoded"),
    ),
    OddInput(
        given="truncated BMP, PPM or uncompressed TIFF",
        result="refused",
        make=truncated(encoded(ramps(), "BMP"), 300),
        outcome=TRUNCATED,
    ),
    OddInput(
        given="empty file",
        result="refused",
        make=in_folder("empty.jpg", b""),
        outcome=UNKNOWN_FORMAT,
    ),
    OddInput(
        given="web page saved under the name of an image",
        result="refused",
        make=in_folder("404.jpg", b"<!DOCTYPE html><title>Not found</title>"),
        outcome=UNKNOWN_FORMAT,
    ),
    OddInput(
        given="image under the suffix of another format, or none",
        result="the image: the suffix is ignored",
        make=in_folder("image.txt", encoded(ramps(), "PNG")),
        outcome=loaded(ramps),
    ),
)
