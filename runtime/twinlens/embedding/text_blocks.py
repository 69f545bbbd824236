"""Stream of texts to blocks of embeddings, in order; one bad text costs no other."""

import logging
from collections.abc import Callable, Generator, Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from twinlens.embedding.deferred_error import DeferredError
from twinlens.embedding.embedded_blocks import EmbeddedBlock, LostImage, OnError
from twinlens.errors import TextError, quoted

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
EmbedTexts = Callable[[list[str], int], F32]
"""Returns the rows [n, D] of n texts; its messages count them from the number."""


def text_blocks(
    embed: EmbedTexts, texts: Iterable[str], *, width: int, size: int, on_error: OnError
) -> Generator[EmbeddedBlock]:
    """Yield blocks of `size` texts; the last one may be smaller.

    An error of `texts` comes after a block of the texts before it.

    Raises:
        TextError: a text cannot be embedded and on_error is "raise".
    """
    source, first = DeferredError(texts), 0
    while chunk := list(islice(source, size)):
        lost: list[LostImage] = []
        rows = _rows(embed, chunk, first, None if on_error == "raise" else lost, width=width)
        for one in lost:
            logger.warning("%s", one.reason)
        numbers = np.arange(first, first + len(chunk))
        kept = ~np.isin(numbers, [one.index for one in lost])
        if on_error != "skip":
            kept[:] = True
        yield EmbeddedBlock(
            indices=numbers[kept],
            names=tuple(name_of(chunk[n - first]) for n in numbers[kept].tolist()),
            rows=rows[kept],
            lost=tuple(lost),
        )
        first += len(chunk)
    source.raise_error()


def _rows(
    embed: EmbedTexts, texts: list[str], first: int, lost: list[LostImage] | None, *, width: int
) -> F32:
    """Return the rows of texts, NaN for one that cannot be embedded, which is put into `lost`.

    An error names one text of all: halves are tried until it is alone. They fail before anything is
    embedded, so this costs tokens only.
    """
    try:
        return embed(texts, first)
    except TextError as error:
        if lost is None:
            raise
        if len(texts) == 1:
            lost.append(LostImage(index=first, name=name_of(texts[0]), reason=str(error)))
            return np.full((1, width), np.nan, dtype=np.float32)
    half = len(texts) // 2
    return np.concatenate(
        [
            _rows(embed, texts[:half], first, lost, width=width),
            _rows(embed, texts[half:], first + half, lost, width=width),
        ]
    )


def name_of(text: object) -> str:
    """Return the name of a text: itself, or the repr of what is none."""
    return text if isinstance(text, str) else quoted(text)
