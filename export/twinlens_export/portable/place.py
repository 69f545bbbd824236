"""The place of a portable folder: free, or one that may be replaced."""

from pathlib import Path
from typing import Final

from twinlens.errors import quoted
from twinlens_export.errors import ExportError

CARD: Final = "README.md"
"""The card of a model on the Hub."""
MARK: Final = "Written by twinlens-export"
"""Words of the card: a folder that has them may be replaced."""


def require_free(folder: Path, *, force: bool) -> None:
    """Refuse a folder that is taken.

    Args:
        folder: the portable folder.
        force: allow one that twinlens-export has written; it will be replaced.

    Raises:
        ExportError: there is something that may not be replaced.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    written = folder / CARD
    if not (written.is_file() and MARK in written.read_text("utf-8", errors="replace")):
        raise ExportError(
            f"{quoted(str(folder))} exists and was not written by twinlens-export --portable, so "
            "it is left alone; give another place"
        )
    if not force:
        raise ExportError(f"{quoted(str(folder))} exists already; replace it with --force")
