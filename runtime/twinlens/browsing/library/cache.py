"""Cache of a folder: its index and its thumbnails; never inside the folder unless asked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import platformdirs

TAG: Final = "CACHEDIR.TAG"
"""File by which backup programs know a cache (bford.info/cachedir)."""
TAG_CONTENT: Final = """Signature: 8a477f597d28d172789f06886806bc55
# Cache of `twinlens browse`; it may be deleted, and is then made again.
"""
KEPT_LETTERS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Folder that holds the index and the thumbnails of a folder of pictures."""

    folder: Path

    @classmethod
    def of(cls, pictures: Path) -> Self:
        """Return the cache of a folder of pictures, in the user's own cache.

        Args:
            pictures: absolute path.
        """
        key = hashlib.sha256(str(pictures).encode("utf-8", "surrogatepass")).hexdigest()[:12]
        letters = [letter if letter.isalnum() else "-" for letter in pictures.name or "root"]
        name = "".join(letters)[:KEPT_LETTERS]
        return cls(folder=Path(platformdirs.user_cache_dir("twinlens", False)) / f"{name}-{key}")

    @property
    def thumbnails(self) -> Path:
        """Folder of the thumbnails."""
        return self.folder / "thumbnails"

    def index(self, about: Mapping[str, str]) -> Path:
        """Return the place of the index of a model: each has its own.

        The instruction set of its operators does not count: their rows are close.
        """
        told = {name: value for name, value in about.items() if name != "operators"}
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
        return self.folder / f"index-{key}"

    def claim(self) -> None:
        """Make the folder, or take it again.

        Raises:
            FileExistsError: it holds something else.
            OSError: it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        tag = self.folder / TAG
        if not tag.exists():
            if any(self.folder.iterdir()):
                raise FileExistsError(
                    f"{self.folder} holds something else than a cache of twinlens browse; "
                    "name an empty folder, or one that is not there yet"
                )
            tag.write_text(TAG_CONTENT, encoding="ascii")
        self.thumbnails.mkdir(exist_ok=True)
