"""Picture files of a folder: name, size and time of each, which together are its id."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

from twinlens.datasets.image_folder import files_in_folder
from twinlens.datasets.unread_formats import ImageSuffixes
from twinlens.images.named_image import NamedImage


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file as it was listed: another size or time is another picture."""

    name: str
    """Path below the folder, with "/" between its parts."""
    size: int
    mtime_ns: int

    @classmethod
    def of_id(cls, written: str) -> Self:
        """Return the file of an id of the index."""
        size, mtime_ns, name = written.split(":", 2)
        return cls(name, int(size), int(mtime_ns))

    @property
    def id(self) -> str:
        """Id in the index: a file that changed has another."""
        return f"{self.size}:{self.mtime_ns}:{self.name}"

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that tell its id from others."""
        return blake2b(self.id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def list_pictures(folder: Path, *, besides: Path) -> Iterator[PictureFile | str]:
    """Yield the picture files below a folder, sorted by path; or the reason against one.

    As of `read_images`, but for archives. Left out are pictures below `besides`, and links that
    lead out of the folder: the page would show files that nobody meant to show.

    Args:
        folder: absolute, without links.
        besides: the cache, which may lie inside.
    """
    is_image = ImageSuffixes()
    for found in files_in_folder(folder, wanted=is_image):
        if isinstance(found, NamedImage):
            yield str(found.image)
            continue
        if found.is_relative_to(besides):
            continue
        try:
            if found.is_symlink() and not found.resolve().is_relative_to(folder):
                yield f"{found} is a link that leads out of the folder; it is left out"
                continue
            status = found.stat()
        except OSError as error:  # it vanished, or a link leads to itself
            yield f"{found} cannot be read: {error.strerror}"
            continue
        name = os.fspath(found.relative_to(folder)).replace(os.sep, "/")
        yield PictureFile(name, status.st_size, status.st_mtime_ns)
    is_image.warn(folder)
