"""Tar archives in webdataset layout: read once from front to back, nothing written to disk."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from twinlens.errors import DatasetError, ImageError
from twinlens.images.load import IMAGE_SUFFIXES
from twinlens.images.named_image import NamedImage

MAX_MEMBER_BYTES: Final = 2**28
"""Larger members are refused unread: a few compressed kilobytes can claim gigabytes."""
CAPTION: Final = ".txt"


class Member(NamedTuple):
    """One file in a tar."""

    name: str
    """Used as a name only, never as a path on disk."""
    key: str
    """Common part of the names of one sample's files."""
    suffix: str
    content: bytes | ImageError | None
    """Bytes of an image or caption, or the reason for their absence; None for other files, which
    are not read."""


def images_in_tar(path: Path) -> Iterator[NamedImage]:
    """Yield the images of a tar, compressed or not, with or without captions.

    The name of an image is shards/a.tar/dog.jpg.

    Raises:
        DatasetError: the file is not a tar, or is truncated.
    """
    for member in read_members(path):
        if member.suffix in IMAGE_SUFFIXES and member.content is not None:
            yield NamedImage(f"{path}/{member.name}", member.content)


def read_members(path: Path) -> Iterator[Member]:
    """Yield the files of a tar.

    Raises:
        DatasetError: the file is not a tar, or is truncated.
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
                content = _read_content(archive, member) if wanted else None
                yield Member(member.name, str(place.parent / stem), suffix, content)
    except (tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{path} is not a whole tar: {error}") from error


def _read_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | ImageError:
    if not member.isreg():
        return ImageError(f"{member.name} is a link or a device, not a file")
    if member.size > MAX_MEMBER_BYTES:
        return ImageError(f"{member.name} has {member.size} bytes, more than {MAX_MEMBER_BYTES}")
    file = archive.extractfile(member)
    assert file is not None, "a regular file has content"
    return file.read()
