"""Image files in a folder or matching a pattern, sorted by path; lists one folder at a time."""

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from twinlens.datasets.unread_formats import ImageSuffixes
from twinlens.images.named_image import ListedImage, NamedImage

GLOB_CHARACTERS = frozenset("*?[")


def images_in_folder(folder: Path) -> Iterator[NamedImage]:
    """Yield every file with an image suffix below a folder; links to folders are not followed.

    Images that Pillow cannot read, such as HEIC, are counted in a warning.

    Raises:
        OSError: a folder cannot be listed.
    """
    is_image = ImageSuffixes()
    for path in _files(folder):
        if is_image(path):
            yield ListedImage(str(path), path)
    is_image.warn(folder)


def images_matching(pattern: str) -> Iterator[NamedImage]:
    """Yield every file that matches a glob pattern, such as "photos/**/*.jpg".

    "**" stands for any number of folders.

    Raises:
        OSError: a folder cannot be listed.
    """
    parts = PurePath(pattern).parts
    fixed = next(n for n, part in enumerate(parts) if GLOB_CHARACTERS & set(part))
    folder = Path(*parts[:fixed])
    for path in _files(folder):
        if _matches(path.relative_to(folder).parts, parts[fixed:]):
            yield ListedImage(str(path), path)


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, depth first, sorted by the parts of their paths."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(folder / entry.name)
        elif entry.is_file():
            yield folder / entry.name


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[n:], pattern[1:]) for n in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
