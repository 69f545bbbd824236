"""Files in a folder or matching a pattern, sorted by path; lists one folder at a time."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Protocol

from twinlens.datasets.hidden_names import is_hidden
from twinlens.errors import ImageError, missing, quoted
from twinlens.images.load import IMAGE_SUFFIXES
from twinlens.images.named_image import NamedImage

GLOB_CHARACTERS = frozenset("*?[")
ANY_DEPTH = "**"

FoundFile = Path | NamedImage
"""A file, or the place and the reason of one that cannot be read."""


class _Entry(Protocol):
    """One name in a folder; its acts follow a link, and raise OSError if it leads to itself."""

    @property
    def name(self) -> str: ...
    def is_dir(self) -> bool: ...
    def is_file(self) -> bool: ...
    def is_symlink(self) -> bool: ...


def files_in_folder(folder: Path, *, wanted: Callable[[Path], bool]) -> Iterator[FoundFile]:
    """Yield the wanted files below a folder; links to folders are not followed.

    Left out are hidden files and folders, pipes and devices, and links to nothing. A folder that
    cannot be listed, or a link to itself, is an error in its place.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    # A stack, as folders may be nested deeper than Python's own.
    levels = [(folder, iter(_listed(folder)))]
    while levels:
        folder, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
            continue
        path = folder / entry.name
        if is_hidden([entry.name]):
            continue
        try:
            if not entry.is_symlink() and entry.is_dir():
                levels.append((path, iter(_listed(path))))
            # Asked by its name first: only what may be wanted is worth an error.
            elif wanted(path) and entry.is_file():
                yield path
        except OSError as error:
            yield _unreadable(path, error)


def files_matching(pattern: str) -> Iterator[FoundFile]:
    """Return every file that matches a glob pattern, such as "photos/**/*.jpg".

    "**" stands for any number of folders. Only folders that the pattern can reach are listed. A
    hidden name is matched only by a part that begins with its first character, as ".thumbnails".
    Links to folders are followed if the pattern has no "**".

    Raises:
        OSError: at once, if the folder before the first wildcard cannot be listed.
    """
    parts = PurePath(pattern).parts
    fixed = next(n for n, part in enumerate(parts) if GLOB_CHARACTERS & set(part))
    folder = Path(*parts[:fixed])
    try:
        os.scandir(folder).close()
    except FileNotFoundError as error:
        raise missing(folder, f"wanted the folder of the pattern {quoted(pattern)}") from error
    return _Pattern(parts[fixed:]).below(folder)


def is_image_file(path: Path) -> bool:
    """Return True if the suffix is that of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


class _Pattern:
    """The parts of a pattern.

    A place in it is the number of parts that are matched already; a folder may be at several.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts

    def below(self, folder: Path) -> Iterator[FoundFile]:
        """Yield the files below a folder that match."""
        places = self._with_empty([0])
        levels = [(folder, places, self._entries(folder, places))]
        while levels:
            folder, places, entries = levels[-1]
            entry = next(entries, None)
            if entry is None:
                levels.pop()
                continue
            path = folder / entry.name
            fitting = [place for place in places if self._fits(place, entry.name)]
            if not fitting:
                continue
            try:
                if entry.is_dir():
                    if not (entry.is_symlink() and ANY_DEPTH in self._parts):
                        following = self._with_empty(map(self._after, fitting))
                        levels.append((path, following, self._entries(path, following)))
                elif len(self._parts) - 1 in fitting and entry.is_file():
                    yield path
            except OSError as error:
                yield _unreadable(path, error)

    def _entries(self, folder: Path, places: frozenset[int]) -> Iterator[_Entry]:
        wanted = {self._parts[n] for n in places if n < len(self._parts)}
        if any(GLOB_CHARACTERS & set(part) for part in wanted):
            return iter(_listed(folder))
        # Names without wildcards need no listing, which may be long or not allowed.
        return iter([_NamedEntry(folder / name) for name in sorted(wanted)])

    def _with_empty(self, places: Iterable[int]) -> frozenset[int]:
        """Add the places behind a "**", which may stand for no folder."""
        found = set()
        for place in places:
            found.add(place)
            behind = place
            while behind < len(self._parts) and self._parts[behind] == ANY_DEPTH:
                behind += 1
                found.add(behind)
        return frozenset(found)

    def _fits(self, place: int, name: str) -> bool:
        """Return True if the next part after a place matches a name."""
        if place == len(self._parts):
            return False
        part = self._parts[place]
        if part == ANY_DEPTH:
            return not is_hidden([name])
        return fnmatchcase(name, part) and (part[0] == name[0] or not is_hidden([name]))

    def _after(self, place: int) -> int:
        """Return the place after a folder: after "**", more folders may follow."""
        return place if self._parts[place] == ANY_DEPTH else place + 1


class _NamedEntry:
    """A name that was not listed."""

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, path.name

    def is_dir(self) -> bool:
        return stat.S_ISDIR(self._mode())

    def is_file(self) -> bool:
        return stat.S_ISREG(self._mode())

    def is_symlink(self) -> bool:
        return self._path.is_symlink()

    def _mode(self) -> int:
        try:
            return self._path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0


def _listed(folder: Path) -> Sequence[_Entry]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _unreadable(path: Path, error: OSError) -> NamedImage:
    return NamedImage(
        str(path), ImageError(f"{path} cannot be read: {error.strerror or quoted(str(error))}")
    )
