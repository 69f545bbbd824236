"""Embeddings of labels, kept for the next classification."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from twinlens.serving.work import F32

MOST_LABELS: Final = 4096
"""Rows kept, 8 MB for a width of 512; the one that was not asked for longest goes first."""
MOST_CHARACTERS: Final = 1024
"""Characters of a label and its templates that are kept."""


class LabelRows:
    """Unit row [D] of each label in its templates. Safe to call from several threads."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, tuple[str, ...]], F32] = OrderedDict()
        self._lock = threading.Lock()

    def found(self, labels: Sequence[str], templates: tuple[str, ...]) -> dict[str, F32]:
        """Return the rows of those labels that are kept."""
        with self._lock:
            kept = [label for label in labels if (label, templates) in self._rows]
            for label in kept:
                self._rows.move_to_end((label, templates))
            return {label: self._rows[label, templates] for label in kept}

    def keep(self, labels: Sequence[str], templates: tuple[str, ...], rows: F32) -> None:
        """Keep the rows [C, D] of labels."""
        characters = sum(map(len, templates))
        with self._lock:
            for label, row in zip(labels, rows, strict=True):
                if len(label) + characters <= MOST_CHARACTERS:
                    self._rows[label, templates] = row.copy()
            while len(self._rows) > MOST_LABELS:
                self._rows.popitem(last=False)
