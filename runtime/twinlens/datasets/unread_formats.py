"""Image files in formats that Pillow does not read: left out of a listing, and counted."""

import logging
from collections import Counter
from pathlib import Path
from typing import Final

from PIL import Image

from twinlens.errors import quoted
from twinlens.images.load import IMAGE_SUFFIXES

logger = logging.getLogger(__name__)

HEIF_SUFFIXES: Final = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})
PLUGIN_SUFFIXES: Final = HEIF_SUFFIXES | {".jxl"}
"""Suffixes of formats that a plugin adds to Pillow."""
RAW_SUFFIXES: Final = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mrw", ".nef"),
        *(".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)
"""Suffixes of cameras' raw files."""


class ImageSuffixes:
    """Predicate of the image files of one listing, which counts those that cannot be read."""

    def __init__(self) -> None:
        self._left_out: Counter[str] = Counter()

    def __call__(self, path: Path) -> bool:
        """Return True if the suffix is that of an image that can be read."""
        suffix = path.suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            return True
        # A plugin registers its suffixes; `Limits(formats=...)` decides about its format.
        if suffix in PLUGIN_SUFFIXES and suffix in Image.EXTENSION:
            return True
        if suffix in PLUGIN_SUFFIXES or suffix in RAW_SUFFIXES:
            self._left_out[suffix] += 1
        return False

    def warn(self, source: object) -> None:
        """Log the number of images left out of a source, with the cure, if there are any."""
        if not self._left_out:
            return
        counts = ", ".join(f"{n} {suffix}" for suffix, n in self._left_out.most_common())
        cures = []
        if self._left_out.keys() & HEIF_SUFFIXES:
            cures.append(
                "for HEIC pip install pillow-heif, call pillow_heif.register_heif_opener(), "
                "and give Limits(formats=(..., 'HEIF'))"
            )
        if self._left_out.keys() - HEIF_SUFFIXES:
            cures.append("save the others as JPEG or PNG")
        logger.warning(
            "%s: left out, as Pillow does not read them: %s; %s",
            quoted(str(source)),
            counts,
            "; ".join(cures),
        )
