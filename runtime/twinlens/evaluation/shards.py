"""webdataset archives: a tar whose members key.jpg and key.txt are one pair."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from twinlens.errors import PairsError
from twinlens.evaluation.pairs import Pairs
from twinlens.images import SUFFIXES

MAX_MEMBER_BYTES: Final = 2**28
"""Refused before reading: a few packed kilobytes can ask for gigabytes."""

Sample = dict[str, bytes]


def read_shard(path: Path) -> Pairs:
    """Pairs of a tar, packed or not, read once from front to back.

    Nothing is written to disk, so a member's name is only ever a key, whatever it looks like. The
    pictures stay in memory as they are encoded. Members of a pair that are neither a picture nor a
    .txt are other data of it and are not read.

    Raises:
        PairsError: a pair lacks its picture or its text, or the file is no tar.
    """
    images, texts = [], []
    for key, sample in _samples(path):
        pictures = [part for suffix, part in sample.items() if suffix != ".txt"]
        if len(pictures) != 1 or ".txt" not in sample:
            found = ", ".join(sample) or "neither"
            raise PairsError(f"{path} has {found} of {key!r}, wanted one picture and one .txt")
        try:
            text = sample[".txt"].decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise PairsError(f"{path}: {key}.txt is not UTF-8: {error.reason}") from error
        if not text:
            raise PairsError(f"{path}: {key}.txt is empty")
        images.append(pictures[0])
        texts.append(text)
    if not images:
        raise PairsError(f"{path} holds no pairs; wanted key.jpg and key.txt of each")
    return Pairs(images=images, texts=texts)


def _samples(path: Path) -> Iterator[tuple[str, Sample]]:
    """Keys and the picture and text of each: the members of a pair follow one another."""
    done: set[str] = set()
    key, sample = None, Sample()
    for found, suffix, content in _members(path):
        if found != key:
            if key is not None:
                done.add(key)
                yield key, sample
            if found in done:
                raise PairsError(f"{path} has {found!r} in two places; pack each pair together")
            key, sample = found, Sample()
        if suffix in sample:
            raise PairsError(f"{path} has {found}{suffix} twice")
        if content is not None:
            sample[suffix] = content
    if key is not None:
        yield key, sample


def _members(path: Path) -> Iterator[tuple[str, str, bytes | None]]:
    """Key, suffix and content of each member; no content where it is other data of the pair."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isdir():
                    continue
                place = PurePosixPath(member.name)
                # webdataset's rule: the key ends at the first dot of the name itself.
                stem, _, ending = place.name.partition(".")
                suffix = f".{ending.lower()}"
                wanted = suffix == ".txt" or suffix in SUFFIXES
                content = _content(archive, member, path) if wanted else None
                yield str(place.parent / stem), suffix, content
    except (tarfile.TarError, EOFError) as error:
        raise PairsError(f"{path} is not a whole tar: {error}") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    if not member.isreg():
        raise PairsError(f"{path}: {member.name} is a link or a device, not a file")
    if member.size > MAX_MEMBER_BYTES:
        raise PairsError(
            f"{path}: {member.name} has {member.size} bytes, more than {MAX_MEMBER_BYTES}"
        )
    file = archive.extractfile(member)
    assert file is not None, "a regular file has content"
    return file.read()
