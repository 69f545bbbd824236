"""Library: a folder of pictures as the page shows it."""

from dataclasses import dataclass
from pathlib import Path

from twinlens.browsing.library.catalogue import Catalogue
from twinlens.errors import ImageError
from twinlens.images.image_like import ReadContent
from twinlens.images.read_options import ReadOptions
from twinlens.images.sources.open import read_content


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Folder of pictures, its catalogue, and its reading."""

    folder: Path
    """Absolute, without links."""
    catalogue: Catalogue
    read: ReadOptions
    n_lost: int = 0
    """Files that could not be read."""

    def place(self, number: int) -> Path:
        """Return the file of a picture, if it still is below the folder.

        Raises:
            ImageError: it is gone, or leads out of the folder.
        """
        title = self.catalogue.title(number)
        try:
            found = (self.folder / self.catalogue[number].name).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a link to itself, until Python 3.13
            raise ImageError(f"{title} is no longer there; start anew to forget it") from None
        if not found.is_relative_to(self.folder):
            raise ImageError(f"{title} is no longer below the folder; start anew to forget it")
        return found

    def content(self, number: int) -> ReadContent:
        """Read the file of a picture.

        Raises:
            ImageError: as `place`, or it is beyond the limits.
        """
        title = self.catalogue.title(number)
        return ReadContent(title, bytes(read_content(self.place(number), title, self.read.limits)))
