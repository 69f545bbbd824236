"""Tars, as webdataset packs them: read once from front to back, nothing written to disk."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from twinlens.errors import DatasetError, ImageError
from twinlens.images.load import IMAGE_SUFFIXES
from twinlens.images.named_image import NamedImage

MAX_MEMBER_BYTES: Final = 2**28
"""Refused before reading: a few packed kilobytes can ask for gigabytes."""
CAPTION: Final = ".txt"


class Member(NamedTuple):
    """One file of a tar."""

    name: str
    """Only ever a name, whatever it looks like."""
    key: str
    """What the files of one sample share."""
    suffix: str
    content: bytes | ImageError | None
    """Of a picture or a caption, or why there is none; other data of the sample is not read."""


def images_in_tar(path: Path) -> Iterator[NamedImage]:
    """The pictures of a tar, packed or not, with or without captions; shards/a.tar/dog.jpg is one.

    Raises:
        DatasetError: it is no tar, or not a whole one.
    """
    for member in members(path):
        if member.suffix in IMAGE_SUFFIXES and member.content is not None:
            yield NamedImage(f"{path}/{member.name}", member.content)


def members(path: Path) -> Iterator[Member]:
    """The files of a tar.

    Raises:
        DatasetError: it is no tar, or not a whole one.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isdir():
                    continue
                place = PurePosixPath(member.name)
                # webdataset's rule: the key ends at the first dot of the name itself.
                stem, _, ending = place.name.partition(".")
                suffix = f".{ending.lower()}"
                wanted = suffix == CAPTION or suffix in IMAGE_SUFFIXES
                content = _content(archive, member) if wanted else None
                yield Member(member.name, str(place.parent / stem), suffix, content)
    except (tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{path} is not a whole tar: {error}") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | ImageError:
    if not member.isreg():
        return ImageError(f"{member.name} is a link or a device, not a file")
    if member.size > MAX_MEMBER_BYTES:
        return ImageError(f"{member.name} has {member.size} bytes, more than {MAX_MEMBER_BYTES}")
    file = archive.extractfile(member)
    assert file is not None, "a regular file has content"
    return file.read()
