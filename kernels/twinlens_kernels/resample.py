"""The two passes that make a picture smaller or larger, to the bit as Pillow makes them.

A pass takes one axis: `across` the columns, `down` the rows. Each lets the GIL go. `path` names an
instruction path, empty means the best; the bytes are the same by each. Where the weights are
computed with fused multiplications (Pillow built for ARM), a byte may be one level apart.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from twinlens_kernels._native import Taps as Taps

SERVES: Final[bool] = find_spec("twinlens_kernels._native") is not None
"""Whether the passes are compiled; nothing here but this works without."""
if SERVES:
    from twinlens_kernels import _native

U8 = NDArray[np.uint8]
Filter = Literal["bilinear", "bicubic", "lanczos"]


class ArrowPixels(Protocol):
    """Pixels by Arrow's PyCapsule interface; an RGB image of Pillow's that lies in one block."""

    def __arrow_c_array__(self) -> tuple[object, object]:
        """Capsules of the schema and of the array."""


def pixels(image: ArrowPixels, height: int, width: int) -> U8:
    """A view [H, W, 4] of an image's own bytes, which keeps them alive; not to be written.

    Raises:
        ValueError: the image is not of 4 bytes a pixel, or not of that size; and whatever the image
            raises if it cannot show its bytes.
    """
    schema, array = image.__arrow_c_array__()
    return _native.pixels(schema=schema, array=array, height=height, width=width)


def taps(size: int, start: float, stop: float, length: int, filter_: Filter) -> "Taps":
    """Which pixels of an axis make each of the new, and how much each weighs.

    Args:
        size: pixels there are.
        start: where on the axis the first new pixel begins.
        stop: where the last one ends; as float32, 0 <= start < stop <= size.
        length: pixels to make.
        filter_: as Pillow calls it.
    """
    return _native.taps(size=size, start=start, stop=stop, length=length, filter_name=filter_)


def across(source: U8, by: "Taps", target: U8, *, path: str = "") -> None:
    """From [N, size, 4] to [N, length, 3]: the fourth byte of a pixel is dropped.

    Rows may be apart in memory, pixels of a row not.

    Raises:
        ValueError: the shapes do not fit.
    """
    _native.across(source=source, taps=by, target=target, path=path)


def down(source: U8, by: "Taps", target: U8, *, path: str = "") -> None:
    """From [size, W, C] to [length, W, C]; rows may be apart in memory, pixels of a row not.

    Raises:
        ValueError: the shapes do not fit.
    """
    _native.down(source=source, taps=by, target=target, path=path)
