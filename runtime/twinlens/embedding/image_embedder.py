"""Stream of images to embeddings, in order; memory is bounded by the number of threads."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.embedding.deferred_error import DeferredError
from twinlens.embedding.prefetch import prefetch
from twinlens.embedding.tower import Embed, Embedder
from twinlens.errors import ImageError, quoted
from twinlens.images.decoder import Decoder, DecodeResult, NumberedImage
from twinlens.ort.cancellation import Cancellation
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.memory.freed_memory import give_back

F32 = NDArray[np.float32]
T = TypeVar("T")

IMAGES_A_THREAD: Final = 8
"""Batch of a thread that decodes and embeds. With 4, 8 and 16, ViT-B/32 takes 3.8, 3.6 and 3.4 ms
an image in int8, 28.0, 27.6 and 30.7 in fp32: a larger batch reuses the weights more often, but
leaves the cache."""
IMAGES_AT_ONCE: Final = 16
"""Batch of a tower that has all threads."""


class Embedded(NamedTuple):
    """Embedding of one image, or the error."""

    number: int
    """Position in the stream."""
    name: str
    row: F32 | ImageError
    """[D], or the reason why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEmbedder:
    """Decoder and image tower, with the threads that they share."""

    decode: Decoder
    tower: Embedder
    threads: int
    """CPU threads in all."""
    on_cpu: bool
    """True if the tower computes on these threads too; False if on a device of its own."""
    low_memory: bool = False
    """True if nothing is kept between two calls."""

    def run(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        """Yield the embeddings of the images, in their order.

        On a CPU every thread decodes a few images and embeds them itself: no pixels change threads,
        and no thread waits for another (11.6 ms an image on two threads, int8 ViT-B/32 from 2 MP
        JPEGs; a tower on both threads beside two decoders takes 13.0). If there are too few images
        for all threads, or the tower is on another device, the threads only decode, and the tower
        embeds the pixels in larger batches. With one thread on a CPU, and of a single image, the
        calling thread does everything.

        An error of the source comes after the embeddings of all images before it.
        """
        source = DeferredError(images)
        try:
            yield from self._ahead(source)
        finally:
            self._rest()
        source.raise_error()

    def _ahead(self, source: Iterator[NumberedImage]) -> Generator[Embedded]:
        if self.on_cpu and self.threads == 1:
            return self._embedded_here(source)
        first = list(islice(source, IMAGES_A_THREAD * self.threads))
        few = len(first) < IMAGES_A_THREAD * self.threads
        if few or not self.on_cpu:
            return self._decoded_ahead(chain(first, source))
        return self._embedded_ahead(chain(first, source))

    def run_on_device(self, images: Iterable[NumberedImage]) -> OnDevice:
        """Embed all images as one batch and leave the rows [B, D] on the device.

        Raises:
            ImageError: an image cannot be read.
        """
        pixels = []
        with closing(self._decoded(images, waiting=3 * self.threads)) as decoded:
            for image in decoded:
                if isinstance(image.pixels, ImageError):
                    raise image.pixels
                pixels.append(image.pixels)
        return self.tower.embed_on_device(np.stack(pixels))

    def run_pixels(
        self, pixels: NDArray[np.uint8], *, width: int, cancel: Cancellation | None
    ) -> F32:
        """Return the embeddings [B, D] of pixels, by the session that has all threads.

        Raises:
            ImageError: they are not uint8 pixels [B, S, S, 3].
            RunCancelledError: it was cancelled.
        """
        side = self.decode.spec.side_px
        _require_pixels(pixels, side)
        rows = np.empty((len(pixels), width), dtype=np.float32)
        size = self.tower.largest_batch or IMAGES_AT_ONCE
        for start in range(0, len(pixels), size):
            part = np.ascontiguousarray(pixels[start : start + size])
            rows[start : start + size] = self.tower.embed(part, cancel=cancel)
        self._rest()
        return rows

    def _rest(self) -> None:
        if self.low_memory:
            give_back()

    @property
    def _a_thread(self) -> int:
        """Batch of a thread that decodes and embeds."""
        return min(IMAGES_A_THREAD, self.tower.largest_batch or IMAGES_A_THREAD)

    def _decoded(self, images: Iterable[NumberedImage], *, waiting: int) -> Generator[DecodeResult]:
        if self.on_cpu and self.threads == 1:
            return (self.decode(image) for image in images)
        return prefetch(self.decode, images, threads=self.threads, waiting=waiting)

    def _embedded_here(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        for batch in _batches(images, self._a_thread):
            yield from _embedded([self.decode(image) for image in batch], self.tower.embed)

    def _embedded_ahead(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        embed = self.tower.single_threaded()

        def work(batch: list[NumberedImage]) -> list[Embedded]:
            return _embedded([self.decode(image) for image in batch], embed)

        done = prefetch(
            work,
            _batches(images, self._a_thread),
            threads=self.threads,
            # One batch at work and two ready per thread: one slow image does not stop the others.
            waiting=3 * self.threads,
        )
        with closing(done):
            for batch in done:
                yield from batch

    def _decoded_ahead(self, images: Iterable[NumberedImage]) -> Generator[Embedded]:
        size, lanes = self.tower.largest_batch or IMAGES_AT_ONCE, self.tower.lanes
        with closing(self._decoded(images, waiting=3 * size)) as decoded:
            batches = _batches(decoded, size)
            if lanes == 1:
                for batch in batches:
                    yield from _embedded(batch, self.tower.embed)
                return
            # One more than lanes, so that a batch is ready when a lane becomes free.
            done = prefetch(self._work, batches, threads=lanes, waiting=lanes + 1)
            with closing(done):
                for found in done:
                    yield from found

    def _work(self, batch: list[DecodeResult]) -> list[Embedded]:
        return _embedded(batch, self.tower.embed)


def _embedded(batch: list[DecodeResult], embed: Embed) -> list[Embedded]:
    good = [decoded.pixels for decoded in batch if not isinstance(decoded.pixels, ImageError)]
    rows = iter(embed(np.stack(good)) if good else ())
    return [
        Embedded(number, name, pixels if isinstance(pixels, ImageError) else next(rows))
        for number, name, pixels in batch
    ]


def _require_pixels(pixels: object, side: int) -> None:
    if not isinstance(pixels, np.ndarray):
        raise ImageError(
            f"pixels are a {quoted(type(pixels).__name__)}, wanted a numpy array uint8 "
            f"[B, {side}, {side}, 3] of Model.preprocess; np.stack makes one of several images"
        )
    if np.ma.is_masked(pixels):
        raise ImageError("pixels are a masked array, whose missing values have no meaning here")
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3):
        one = "; give one image as pixels[None]" if pixels.shape == (side, side, 3) else ""
        raise ImageError(
            f"pixels are {quoted(str(pixels.dtype))} {quoted(list(pixels.shape))}, wanted uint8 "
            f"[B, {side}, {side}, 3] of Model.preprocess{one}"
        )


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    return iter(lambda: list(islice(source, size)), [])
