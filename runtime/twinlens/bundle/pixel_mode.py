"""Pixel mode: exact preprocessing, or fast decoding of JPEGs."""

from typing import Final, Literal, get_args

PixelMode = Literal["exact", "fast"]
"""Fidelity of pixels to the checkpoint's own preprocessing.

* "exact", the default: within two levels (of 255) of it, and within one unless the image is
  magnified; `twinlens/images/IMAGES.md` has the figures.
* "fast": a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that keeps at least `SHARPNESS`
  times the side (`twinlens.images.formats.dct_scale`); then as exact. Every other format, a small
  image, a PIL image and an array are exact.

The embeddings of the two differ a little, so a calibration and an index name the mode of the
embeddings that they were fitted on or store; without a name it is "exact".
"""

PIXEL_MODES: Final[tuple[PixelMode, ...]] = get_args(PixelMode)


def pixel_mode(name: str) -> PixelMode:
    """Return the mode of that name.

    Raises:
        ValueError: there is none.
    """
    for known in PIXEL_MODES:
        if name == known:
            return known
    raise ValueError(f"the pixel mode is {name!r}, not {' or '.join(PIXEL_MODES)}")
