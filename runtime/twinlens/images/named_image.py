"""An image under a name."""

from typing import NamedTuple

from twinlens.errors import ImageError
from twinlens.images.open import ImageLike


class NamedImage(NamedTuple):
    """An image under a name, as `read_images` finds it in a folder, a tar or a table."""

    name: str
    image: ImageLike | ImageError
    """The image, or why there is none."""


NumberedImage = tuple[int, ImageLike | NamedImage]
"""An image, and the index that its error names."""
