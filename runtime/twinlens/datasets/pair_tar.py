"""webdataset archives: a tar whose members key.jpg and key.txt are one pair."""

from collections.abc import Iterator
from pathlib import Path

from twinlens.datasets.image_tar import CAPTION, Member, members
from twinlens.datasets.pairs import Pairs
from twinlens.errors import DatasetError, ImageError, PairsError

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
        pictures = [part for suffix, part in sample.items() if suffix != CAPTION]
        if len(pictures) != 1 or CAPTION not in sample:
            found = ", ".join(sample) or "neither"
            raise PairsError(f"{path} has {found} of {key!r}, wanted one picture and one .txt")
        try:
            text = sample[CAPTION].decode("utf-8-sig").strip()
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
    for _, found, suffix, content in _members(path):
        if found != key:
            if key is not None:
                done.add(key)
                yield key, sample
            if found in done:
                raise PairsError(f"{path} has {found!r} in two places; pack each pair together")
            key, sample = found, Sample()
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
        yield from members(path)
    except DatasetError as error:
        raise PairsError(str(error)) from error
