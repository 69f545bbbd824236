"""Resampling passes of an image, bit-exact to Pillow: horizontal, then vertical.

`across` is the horizontal pass (columns), `down` the vertical one (rows). Each releases the GIL.
`path` names an instruction set, empty means the best; all give the same bytes. Where Pillow
computes the weights with fused multiplications (its ARM builds), a byte may be one level apart.
"""

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.compiled import NATIVE as NATIVE

if TYPE_CHECKING:
    from twinlens_kernels._native import Taps as Taps

if NATIVE:
    from twinlens_kernels import _native

U8 = NDArray[np.uint8]
Filter = Literal["bilinear", "bicubic", "lanczos"]


class ArrowPixels(Protocol):
    """Pixels by Arrow's PyCapsule interface: a Pillow RGB image stored in one block."""

    def __arrow_c_array__(self) -> tuple[object, object]:
        """Return the capsules of the schema and of the array."""


def pixels(image: ArrowPixels, height: int, width: int) -> U8:
    """Return a read-only view [H, W, 4] of an image's own bytes, which keeps them alive.

    Raises:
        ValueError: the image is not of 4 bytes a pixel, or not of that size; also any error of the
            image if it cannot export its bytes.
    """
    schema, array = image.__arrow_c_array__()
    return _native.pixels(schema=schema, array=array, height=height, width=width)


def taps(size: int, start: float, stop: float, length: int, filter_: Filter) -> "Taps":
    """Compute the filter taps of an axis: source pixels and weights of each target pixel.

    Args:
        size: source pixels.
        start: begin of the first target pixel on the source axis.
        stop: end of the last one; as float32, 0 <= start < stop <= size.
        length: target pixels.
        filter_: name of Pillow's filter.
    """
    return _native.taps(size=size, start=start, stop=stop, length=length, filter_name=filter_)


def across(source: U8, by: "Taps", target: U8, *, path: str = "") -> None:
    """Resample [N, size, 4] to [N, length, 3] horizontally; the fourth byte of a pixel is dropped.

    Rows may be strided in memory, pixels of a row not.

    Raises:
        ValueError: the shapes do not fit.
    """
    _native.across(source=source, taps=by, target=target, path=path)


def down(source: U8, by: "Taps", target: U8, *, path: str = "") -> None:
    """Resample [size, W, C] to [length, W, C] vertically.

    Rows may be strided in memory, pixels of a row not.

    Raises:
        ValueError: the shapes do not fit.
    """
    _native.down(source=source, taps=by, target=target, path=path)
