"""Folders: the pictures below one, in the order of their names, one folder listed at a time."""

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from twinlens.images.load import IMAGE_SUFFIXES
from twinlens.images.named_image import NamedImage

MAGIC = frozenset("*?[")
"""What makes a name a pattern."""


def images_below(folder: Path) -> Iterator[NamedImage]:
    """Every file below a folder whose suffix is a picture's; links to folders are not followed.

    Raises:
        OSError: a folder cannot be listed.
    """
    for path in _files(folder):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield NamedImage(str(path), path)


def images_like(pattern: str) -> Iterator[NamedImage]:
    """Every file that fits a pattern, such as "photos/**/*.jpg"; "**" is any number of folders.

    Raises:
        OSError: a folder cannot be listed.
    """
    parts = PurePath(pattern).parts
    fixed = next(n for n, part in enumerate(parts) if MAGIC & set(part))
    folder = Path(*parts[:fixed])
    for path in _files(folder):
        if _fits(path.relative_to(folder).parts, parts[fixed:]):
            yield NamedImage(str(path), path)


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, depth first, in the order of their paths' parts."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(folder / entry.name)
        elif entry.is_file():
            yield folder / entry.name


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[n:], pattern[1:]) for n in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
