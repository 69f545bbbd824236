"""Names of files that no person put there: hidden files, thumbnails, and copies of file systems."""

from collections.abc import Iterable
from typing import Final

HIDDEN_NAMES: Final = frozenset({"@eaDir", "#recycle", "__MACOSX", "$RECYCLE.BIN"})
"""Thumbnails and the bin of a Synology disk, resource forks in archives of macOS, Windows' bin."""


def is_hidden(parts: Iterable[str]) -> bool:
    """Return True if a part of a relative path begins with a dot or is in HIDDEN_NAMES.

    >>> is_hidden(["card", "._IMG_1.JPG"]), is_hidden(["..", "IMG_1.JPG"])
    (True, False)
    """
    return any(
        part in HIDDEN_NAMES or (part.startswith(".") and part not in {".", ".."}) for part in parts
    )
