"""Blocks gathered to what is written at once: many rows, or those of a minute."""

import time
from collections.abc import Iterable, Iterator
from typing import Final

from twinlens.bulk.items import ItemBlock

_NAME_LETTERS: Final = 2**25
"""Letters of names after which blocks are written: texts may be long."""


def gathered(
    blocks: Iterable[ItemBlock], *, rows: int, seconds: float
) -> Iterator[list[ItemBlock]]:
    """Yield lists of blocks of so many rows, or of fewer if so much time has passed."""
    group: list[ItemBlock] = []
    until = time.monotonic() + seconds
    n_rows = n_letters = 0
    for block in blocks:
        if not len(block):
            continue
        group.append(block)
        n_rows += len(block)
        n_letters += sum(map(len, block.names))
        if n_rows >= rows or n_letters >= _NAME_LETTERS or time.monotonic() >= until:
            yield group
            group, n_rows, n_letters = [], 0, 0
            until = time.monotonic() + seconds
    if group:
        yield group
