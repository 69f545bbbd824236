"""The resamplings: the filters that a spec may name."""

from typing import Final, NamedTuple

from PIL import Image

from twinlens_kernels.resample import Filter


class Resampling(NamedTuple):
    """A filter of Pillow's."""

    name: Filter
    filter: Image.Resampling
    support: float
    """How far it looks to each side, in output pixels."""


RESAMPLING: Final = {
    "bicubic": Resampling("bicubic", Image.Resampling.BICUBIC, 2.0),
    "bilinear": Resampling("bilinear", Image.Resampling.BILINEAR, 1.0),
    "lanczos": Resampling("lanczos", Image.Resampling.LANCZOS, 3.0),
}
