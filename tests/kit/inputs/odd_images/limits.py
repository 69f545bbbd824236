"""Extreme sizes, and files beyond the limits on pixels, bytes and formats."""

from typing import Final

import numpy as np
from PIL import Image

from odd_images.makers import BLUE, RED, array, encoded, in_folder, jpeg, plain, png, ramps, saved
from odd_images.odd_input import UNKNOWN_FORMAT, OddInput, Refused, loaded
from twinlens.images.limits import Limits
from twinlens.images.read_options import ReadOptions


def speck() -> Image.Image:
    return Image.new("RGB", (1, 1), (10, 200, 60))


SHAPES: Final = (
    OddInput(
        given="one pixel",
        result="its colour",
        make=saved(speck, "PNG"),
        outcome=loaded(speck),
    ),
    OddInput(
        given="1 x 20000, a PNG of a few hundred bytes",
        result="its centre, in milliseconds",
        make=saved(lambda: Image.new("RGB", (1, 20_000), RED), "PNG"),
        outcome=loaded(plain(RED)),
    ),
    OddInput(
        given="20000 x 1",
        result="its centre, in milliseconds",
        make=saved(lambda: Image.new("RGB", (20_000, 1), BLUE), "PNG"),
        outcome=loaded(plain(BLUE)),
    ),
    OddInput(
        given="file that claims no width or no height",
        result="refused",
        make=lambda _: png(0, 5),
        outcome=Refused(message="is no image that can be decoded|it has no pixels|cannot be"),
    ),
    OddInput(
        given="PIL image of no width or no height",
        result="refused",
        make=lambda _: Image.new("RGB", (0, 5)),
        outcome=Refused(message="the image is 0 x 5: it has no pixels"),
    ),
    OddInput(
        given="array [0, W, 3]",
        result="refused",
        make=array(np.uint8, 0, 5, 3),
        outcome=Refused(message=r"an array of shape \[0, 5, 3\] has no pixels"),
    ),
    OddInput(
        given="file that claims more pixels than the limit (64 million)",
        result="refused before it is decoded, in microseconds",
        make=lambda _: png(9_000, 9_000),
        outcome=Refused(message="is 9000 x 9000, more than 64,000,000 pixels; shrink it first"),
    ),
    OddInput(
        given="file that claims billions of pixels",
        result="refused before it is decoded",
        make=lambda _: png(60_000, 60_000),
        outcome=Refused(message="has more than 64,000,000 pixels; shrink it first"),
    ),
    OddInput(
        given="image beyond the caller's own limit, `Limits(max_pixels=1000)`",
        result="refused; the message has the limit",
        make=saved(ramps, "PNG"),
        outcome=Refused(message="is 40 x 30, more than 1,000 pixels"),
        read=ReadOptions(limits=Limits(max_pixels=1000)),
    ),
    OddInput(
        given="JPEG of more scans than the limit (100), here `Limits(max_scans=5)`",
        result="refused before it is decoded",
        make=lambda _: jpeg(progressive=True),
        outcome=Refused(message="has more than 5 scans; save it anew, or raise max_scans"),
        read=ReadOptions(limits=Limits(max_scans=5)),
    ),
    OddInput(
        given="file larger than the limit (100 MB), here `Limits(max_bytes=100)`",
        result="refused before it is read",
        make=in_folder("large.png", encoded(ramps(), "PNG")),
        outcome=Refused(message=r"large.png has more than 100 bytes; shrink it first"),
        read=ReadOptions(limits=Limits(max_bytes=100)),
    ),
)

FORMATS: Final = (
    OddInput(
        given="EPS, PDF, SVG",
        result="refused: Pillow would run Ghostscript for EPS, and cannot read the others",
        make=saved(ramps, "EPS"),
        outcome=UNKNOWN_FORMAT,
    ),
    OddInput(
        given="HEIC, JPEG 2000, ICO, TGA, PSD, ...",
        result="refused unless `Limits(formats=...)` has the format",
        make=saved(ramps, "TGA"),
        outcome=UNKNOWN_FORMAT,
    ),
    OddInput(
        given='a format that is not in the limits, here `Limits(formats=("PNG",))` and a JPEG',
        result="refused unread",
        make=lambda _: jpeg(),
        outcome=Refused(message="is no image that can be decoded; known are PNG$"),
        read=ReadOptions(limits=Limits(formats=("PNG",))),
    ),
)
