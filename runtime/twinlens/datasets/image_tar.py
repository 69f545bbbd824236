"""Images in tar archives in webdataset layout: read once, nothing written to disk."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from twinlens.datasets.formats.tar_archive import TarDamage, tar_members
from twinlens.datasets.hidden_names import is_hidden
from twinlens.errors import ImageError, quoted
from twinlens.images.load import IMAGE_SUFFIXES
from twinlens.images.named_image import NamedImage


def images_in_tar(path: Path) -> Iterator[NamedImage]:
    """Yield the images of a tar, compressed or not, with or without captions.

    The suffix of an image begins at the last dot of its name, as in the decoders of webdataset:
    s0.jpg, s0.left.jpg and "10.20.30.jpg" are images. Its name is shards/a.tar/s0.jpg. A hidden
    file is left out. A link, a member above 256 MiB, the second member of one name and a damaged
    stretch of the tar are errors in its place.

    Raises:
        DatasetError: the file is no tar.
    """
    seen: set[str] = set()
    for member in tar_members(path, wanted=is_image_member):
        if isinstance(member, TarDamage):
            yield NamedImage(f"{path}/byte {member.offset}", member.error)
        elif member.content is not None:
            content = member.content
            if member.name in seen:
                content = ImageError(
                    f"{quoted(member.name)} is in the tar a second time; unpack it, where the "
                    "last one stays, and pack it again"
                )
            seen.add(member.name)
            yield NamedImage(f"{path}/{member.name}", content)


def is_image_member(name: str) -> bool:
    """Return True if a member's name is that of an image, and not of a hidden file."""
    place = PurePosixPath(name)
    return place.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(place.parts)
