"""Pairs in a tar in webdataset layout: the members key.jpg and key.txt are one pair."""

from collections.abc import Iterator
from pathlib import Path

from twinlens.datasets.image_tar import CAPTION, Member, read_members
from twinlens.datasets.pairs import Pairs
from twinlens.errors import DatasetError, ImageError, PairsError

TarSample = dict[str, bytes]
"""Image and caption of one key, by their suffixes."""


def read_tar_pairs(path: Path) -> Pairs:
    """Read the pairs of a tar, compressed or not, once from front to back.

    Nothing is written to disk, so a member's name is used as a key only. The encoded images stay in
    memory. Members of a pair that are neither an image nor a .txt are ignored.

    Raises:
        PairsError: a pair lacks its image or its text, or the file is not a tar.
    """
    images, texts = [], []
    for key, sample in _samples(path):
        encoded = [content for suffix, content in sample.items() if suffix != CAPTION]
        if len(encoded) != 1 or CAPTION not in sample:
            found = ", ".join(sample) or "neither"
            raise PairsError(f"{path} has {found} of {key!r}, wanted one image and one .txt")
        try:
            text = sample[CAPTION].decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise PairsError(f"{path}: {key}.txt is not UTF-8: {error.reason}") from error
        if not text:
            raise PairsError(f"{path}: {key}.txt is empty")
        images.append(encoded[0])
        texts.append(text)
    if not images:
        raise PairsError(f"{path} holds no pairs; wanted key.jpg and key.txt of each")
    return Pairs(images=images, texts=texts)


def _samples(path: Path) -> Iterator[tuple[str, TarSample]]:
    """Yield each key with its image and text; the members of a pair must be adjacent."""
    done: set[str] = set()
    key, sample = None, TarSample()
    for _, found, suffix, content in _members(path):
        if found != key:
            if key is not None:
                done.add(key)
                yield key, sample
            if found in done:
                raise PairsError(f"{path} has {found!r} in two places; pack each pair together")
            key, sample = found, TarSample()
        if suffix in sample:
            raise PairsError(f"{path} has {found}{suffix} twice")
        if isinstance(content, ImageError):
            raise PairsError(f"{path}: {content}")
        if content is not None:
            sample[suffix] = content
    if key is not None:
        yield key, sample


def _members(path: Path) -> Iterator[Member]:
    try:
        yield from read_members(path)
    except DatasetError as error:
        raise PairsError(str(error)) from error
