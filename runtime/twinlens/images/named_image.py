"""Images with a name, and images with an index."""

from typing import NamedTuple

from twinlens.errors import ImageError
from twinlens.images.image_like import ImageLike


class NamedImage(NamedTuple):
    """An image with the name that `read_images` gave it: a path, or archive path and member."""

    name: str
    image: ImageLike | ImageError
    """The image, or the reason for its absence."""


class ListedImage(NamedImage):
    """An image of a listing of files: its path stays when the next one is drawn."""

    __slots__ = ()
