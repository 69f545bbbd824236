"""Catalogue: the pictures of an index by number, newest first."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from twinlens.browsing.library.picture_file import PictureFile

REFERENCE: Final = re.compile(r"([0-9]{1,9})-([0-9a-f]{16})")
"""Number of a picture, and the key of its id: after a restart the number may be another's."""


class Catalogue:
    """Pictures by number, 0 for the newest; of equal times, the earlier path comes first.

    Args:
        ids: ids of the index.
        titles: words to show for files, in place of their names.
    """

    def __init__(self, ids: Iterable[str], *, titles: Mapping[str, str]) -> None:
        files = [PictureFile.of_id(one) for one in ids]
        files.sort(key=lambda one: (-one.mtime_ns, one.name))
        self._files, self._titles = files, titles
        self._numbers = {one.id: number for number, one in enumerate(files)}

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> PictureFile:
        return self._files[number]

    def numbers_of(self, ids: Sequence[str]) -> list[int]:
        """Return the numbers of ids of the index; -1 for one that was added since."""
        return [self._numbers.get(one, -1) for one in ids]

    def find(self, reference: str) -> int | None:
        """Return the number that a reference names, or None if it names none."""
        found = REFERENCE.fullmatch(reference)
        if found is None or int(found[1]) >= len(self._files):
            return None
        number = int(found[1])
        return number if self._files[number].key == found[2] else None

    def reference(self, number: int) -> str:
        """Return the reference of a picture."""
        return f"{number}-{self._files[number].key}"

    def title(self, number: int) -> str:
        """Return the words to show for a picture; its name need not be text."""
        name = self._files[number].name
        return self._titles.get(name) or shown(name.rpartition("/")[2])


def shown(name: str) -> str:
    """Return a name as text, with escapes for bytes that are none."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
