"""Streaming: images in, embeddings out, in order, with no more held than the threads need."""

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.embedding.prefetch import prefetch
from twinlens.embedding.tower import Embed, Embedder
from twinlens.errors import ImageError
from twinlens.images.decoder import Decoder, DecodeResult
from twinlens.images.named_image import NumberedImage
from twinlens.ort.io_binding import OnDevice

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
T = TypeVar("T")
OnError = Literal["raise", "nan", "skip"]

IMAGES_A_THREAD: Final = 8
"""Decoded and embedded by one thread at a time. Of 4, 8 and 16, ViT-B/32 takes 3.8, 3.6 and 3.4 ms
an image in int8, 28.0, 27.6 and 30.7 in fp32: more use of the weights, less of the cache."""
IMAGES_AT_ONCE: Final = 16
"""In one run of a tower that has all threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An image that could not be read."""

    index: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedBlock:
    """Neighbouring images of a stream, embedded."""

    indices: NDArray[np.int64]
    """[B], ascending: which images of the source they are."""
    names: tuple[str, ...]
    """Of each: its path, the name that its source gave it, or "image 7"."""
    rows: F32
    """[B, D], unit rows; NaN where an image could not be read and on_error is "nan"."""
    lost: tuple[Lost, ...] = ()
    """Those that could not be read since the block before."""

    def __len__(self) -> int:
        return len(self.rows)


class Embedded(NamedTuple):
    """One image after the tower."""

    number: int
    """Which image of the stream it is."""
    name: str
    row: F32 | ImageError
    """[D], or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEmbedder:
    """What turns images into embeddings."""

    decode: Decoder
    tower: Embedder
    threads: int
    """CPU threads in all."""
    alone: bool
    """The tower computes on these threads too, and not on a device of its own."""

    def run(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        """The images embedded, in their order.

        On a CPU every thread decodes a few images and embeds them itself: nothing is handed over
        and no thread waits for another (11.6 ms an image on two threads, int8 ViT-B/32 from 2 MP
        JPEGs, where a tower on both threads beside two decoders takes 13.0). Where there are too
        few images for all threads, or the tower is on another device, the threads only decode, and
        the tower gets what they have in larger batches.
        """
        source = iter(images)
        first = list(islice(source, IMAGES_A_THREAD * self.threads))
        few = len(first) < IMAGES_A_THREAD * self.threads
        if few or not self.alone:
            return self._decoded_ahead(chain(first, source))
        return self._embedded_ahead(chain(first, source))

    def run_on_device(self, images: Iterable[NumberedImage]) -> OnDevice:
        """All images in one batch, whose rows [B, D] stay on the device.

        Raises:
            ImageError: an image cannot be read.
        """
        decoded = prefetch(self.decode, images, threads=self.threads, waiting=3 * self.threads)
        pixels = []
        with closing(decoded):
            for image in decoded:
                if isinstance(image.pixels, ImageError):
                    raise image.pixels
                pixels.append(image.pixels)
        return self.tower.embed_on_device(np.stack(pixels))

    def _embedded_ahead(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        embed = self.tower.one_thread()

        def work(batch: list[NumberedImage]) -> list[Embedded]:
            return _embedded([self.decode(image) for image in batch], embed)

        done = prefetch(
            work,
            _batches(images, IMAGES_A_THREAD),
            threads=self.threads,
            # One in work and two at hand, so that one slow image does not stop the others.
            waiting=3 * self.threads,
        )
        with closing(done):
            for batch in done:
                yield from batch

    def _decoded_ahead(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        size, lanes = self.tower.largest_batch or IMAGES_AT_ONCE, self.tower.lanes
        decoded = prefetch(self.decode, images, threads=self.threads, waiting=3 * size)
        with closing(decoded):
            batches = _batches(decoded, size)
            if lanes == 1:
                for batch in batches:
                    yield from _embedded(batch, self.tower.embed)
                return
            # One more than there are lanes, so that a batch is at hand when a lane falls free.
            done = prefetch(self._work, batches, threads=lanes, waiting=lanes + 1)
            with closing(done):
                for found in done:
                    yield from found

    def _work(self, batch: list[DecodeResult]) -> list[Embedded]:
        return _embedded(batch, self.tower.embed)


def blocks(
    embedded: Iterable[Embedded], *, width: int, size: int, on_error: OnError
) -> Generator[EmbeddedBlock]:
    """Up to `size` rows at a time; the last block may be smaller.

    Raises:
        ImageError: an image could not be read and on_error is "raise".
    """
    rows = np.empty((size, width), dtype=np.float32)
    indices: list[int] = []
    names: list[str] = []
    lost: list[Lost] = []

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

    for number, name, row in embedded:
        if isinstance(row, ImageError):
            if on_error == "raise":
                raise row
            logger.warning("%s", row)
            lost.append(Lost(index=number, name=name, reason=str(row)))
            if on_error == "skip":
                continue
        rows[len(indices)] = np.nan if isinstance(row, ImageError) else row
        indices.append(number)
        names.append(name)
        if len(indices) == size:
            yield block()
    if indices or lost:
        yield block()


def _embedded(batch: list[DecodeResult], embed: Embed) -> list[Embedded]:
    good = [decoded.pixels for decoded in batch if not isinstance(decoded.pixels, ImageError)]
    rows = iter(embed(np.stack(good)) if good else ())
    return [
        Embedded(number, name, pixels if isinstance(pixels, ImageError) else next(rows))
        for number, name, pixels in batch
    ]


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    return iter(lambda: list(islice(source, size)), [])
