"""Blocks of embedded images: rows with the names of their images, and the unreadable ones."""

import logging
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.embedding.deferred_error import DeferredError
from twinlens.embedding.image_embedder import Embedded
from twinlens.errors import ImageError

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
OnError = Literal["raise", "nan", "skip"]
"""Unreadable images are raised, become a row of NaN, or are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostImage:
    """An unreadable image of a stream, or a text that cannot be embedded."""

    index: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedBlock:
    """Embeddings of consecutive images or texts of a stream."""

    indices: NDArray[np.int64]
    """[B], ascending positions in the source."""
    names: tuple[str, ...]
    """Of each image: its path, the name that its source gave it, or "image 7"; each text itself."""
    rows: F32
    """[B, D], unit rows; NaN for an unreadable image if on_error is "nan"."""
    lost: tuple[LostImage, ...] = ()
    """The unreadable images since the previous block."""

    def __len__(self) -> int:
        return len(self.rows)


def blocks(
    embedded: Iterable[Embedded], *, width: int, size: int, on_error: OnError
) -> Generator[EmbeddedBlock]:
    """Yield blocks of `size` rows; the last one may be smaller.

    An error of `embedded` comes after a block of the rows before it.

    Raises:
        ImageError: an image could not be read and on_error is "raise".
    """
    rows = np.empty((size, width), dtype=np.float32)
    indices: list[int] = []
    names: list[str] = []
    lost: list[LostImage] = []

    def block() -> EmbeddedBlock:
        found = EmbeddedBlock(
            indices=np.array(indices, dtype=np.int64),
            names=tuple(names),
            rows=rows[: len(indices)].copy(),
            lost=tuple(lost),
        )
        for filled in (indices, names, lost):
            filled.clear()
        return found

    source = DeferredError(embedded)
    for number, name, row in source:
        if isinstance(row, ImageError):
            if on_error == "raise":
                raise row
            logger.warning("%s", row)
            lost.append(LostImage(index=number, name=name, reason=str(row)))
            if on_error == "skip":
                continue
        rows[len(indices)] = np.nan if isinstance(row, ImageError) else row
        indices.append(number)
        names.append(name)
        if len(indices) == size:
            yield block()
    if indices or lost:
        yield block()
    source.raise_error()


def require_choices(on_error: str, size: int) -> None:
    """Check the choices of a stream.

    Raises:
        ValueError: on_error is unknown, or the size of a block is not positive.
    """
    if on_error not in ("raise", "nan", "skip"):
        raise ValueError(f"on_error is {on_error!r}, not 'raise', 'nan' or 'skip'")
    if size < 1:
        raise ValueError(f"block is {size}, not a positive number of rows")


def require_no_skip(on_error: str) -> None:
    """Check the choice of a call whose rows keep their places.

    Raises:
        ValueError: on_error is neither "raise" nor "nan".
    """
    if on_error not in ("raise", "nan"):
        raise ValueError(f"on_error is {on_error!r}, not 'raise' or 'nan'")
