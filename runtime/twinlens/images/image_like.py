"""Types of everything that is accepted as an image."""

import os
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
Encoded = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""An encoded image: a path, its bytes, or a binary file. A str is always a path."""
ImageLike = Encoded | Image.Image | U8
"""Anything image-like: a path, encoded bytes, a binary file, a PIL image, or uint8 pixels [H, W],
[H, W, 1], [H, W, 3] or [H, W, 4]. A str is always a path."""


class ReadContent(NamedTuple):
    """An encoded image that was read from its source, a path or a file, as it was drawn."""

    name: str
    """Path, or name of the file, for messages."""
    content: bytes
