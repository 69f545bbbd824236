"""Freshness of an index: new and changed files are embedded, vanished ones removed."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twinlens.browsing.library.picture_file import PictureFile
from twinlens.errors import IndexFileError
from twinlens.images.named_image import ListedImage
from twinlens.index.index import Index
from twinlens.index.storage.manifest import MANIFEST
from twinlens.model.model import Model

logger = logging.getLogger(__name__)

ROWS_A_COMMIT: Final = 256
"""Pictures whose rows are committed at once, and lost if the process is killed before: some 8 s of
work of a ViT-B/32. A commit waits for the disk, 5 to 20 ms."""

Count = Callable[[Iterable[ListedImage]], Iterator[ListedImage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshened:
    """Changes that made an index fresh."""

    added: int
    removed: int
    """Rows of files that vanished, or changed and were added anew."""
    lost: tuple[str, ...]
    """Names of the files that cannot be read; they are tried again at the next start."""


def freshen(
    place: Path,
    folder: Path,
    files: Sequence[PictureFile],
    model: Model,
    *,
    count: Count | None = iter,
) -> Freshened:
    """Make the index at `place` hold the files of a folder, and nothing else.

    Rows are committed as they come: a process that is killed loses the last few, and the next one
    goes on from there.

    Args:
        place: folder of the index; made if it is not there, made anew if it is damaged.
        folder: folder of the pictures.
        files: pictures of the folder.
        model: maker of the rows.
        count: counts the images as they are drawn; None shows a bar on stderr.

    Raises:
        IndexBusyError: another process does the same.
        OSError: the index cannot be written.
    """
    index = _open(place)
    there = set() if index is None else set(index.ids.tolist())
    wanted = {file.id for file in files}
    gone = there - wanted
    if index is not None and gone:
        index.remove(sorted(gone))
    missing = [ListedImage(one.id, folder / one.name) for one in files if one.id not in there]
    lost: list[str] = []
    images = missing if count is None else count(missing)
    stream = model.stream_images(
        images, block=ROWS_A_COMMIT, on_error="skip", progress=count is None
    )
    n_added = n_blocks = 0
    for block in stream if missing else ():
        lost += [PictureFile.of_id(one.name).name for one in block.lost]
        if not len(block):
            continue
        n_added, n_blocks = n_added + len(block), n_blocks + 1
        if index is None:  # its codes are made around the mean of these rows
            index = Index.write(place, block.rows, ids=block.names, about=model.about)
        else:
            index.add(block.rows, block.names)
    if index is None:
        empty = np.empty((0, model.width), dtype=np.float32)
        index = Index.write(place, empty, ids=np.empty(0, dtype=object), about=model.about)
    if index.n_rows > 2 * len(index) or (n_blocks > 1 and 2 * n_added > len(index)):
        index.compact()  # around the mean of all, and without the space of removed rows
    return Freshened(added=n_added, removed=len(gone), lost=tuple(lost))


def _open(place: Path) -> Index | None:
    """Open the index; None if it is not there, or damaged: it can be made again."""
    if not (place / MANIFEST).exists():
        return None
    try:
        return Index.open(place)
    except IndexFileError as error:
        logger.warning("the index is made again: %s", error)
        return None
