"""Resampling filters by their names in a spec."""

from typing import Final, NamedTuple

from PIL import Image

from twinlens_kernels.resample import Filter


class ResamplingFilter(NamedTuple):
    """A resampling filter of Pillow."""

    name: Filter
    filter: Image.Resampling
    support: float
    """Radius of the filter, in output pixels."""


FILTERS: Final = {
    "bicubic": ResamplingFilter("bicubic", Image.Resampling.BICUBIC, 2.0),
    "bilinear": ResamplingFilter("bilinear", Image.Resampling.BILINEAR, 1.0),
    "lanczos": ResamplingFilter("lanczos", Image.Resampling.LANCZOS, 3.0),
}
