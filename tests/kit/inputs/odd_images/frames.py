"""Files of several frames, pages or images."""

from typing import Final

from odd_images.makers import RED, frames, plain
from odd_images.odd_input import OddInput, loaded

SEVERAL: Final = (
    OddInput(
        given="animated GIF",
        result="its first frame",
        make=frames("GIF"),
        outcome=loaded(plain(RED)),
    ),
    OddInput(
        given="animated WebP",
        result="its first frame",
        make=frames("WEBP", lossless=True),
        outcome=loaded(plain(RED)),
    ),
    OddInput(
        given="animated PNG",
        result="its first frame",
        make=frames("PNG"),
        outcome=loaded(plain(RED)),
    ),
    OddInput(
        given="animated AVIF",
        result="its first frame",
        make=frames("AVIF", quality=95),
        outcome=loaded(plain(RED), 3),
    ),
    OddInput(
        given="TIFF of several pages",
        result="its first page",
        make=frames("TIFF"),
        outcome=loaded(plain(RED)),
    ),
    OddInput(
        given="JPEG of several images (MPO, as phones write)",
        result="the first",
        make=frames("MPO", quality=95),
        outcome=loaded(plain(RED), 3),
    ),
)
