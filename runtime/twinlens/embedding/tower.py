"""Tower: one ONNX model that embeds pixels or token ids."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.manifest import TowerFile
from twinlens.forks import ForkedLock
from twinlens.ort.cancellation import Cancellation
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.session import Session

F32 = NDArray[np.float32]
Embed = Callable[[NDArray[Any]], F32]
"""Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T]."""


class Embedder(Protocol):
    """A tower on any device. Safe to call from several threads."""

    @property
    def lanes(self) -> int:
        """Number of batches in flight that still pays off."""

    @property
    def largest_batch(self) -> int | None:
        """Most rows of one run; None if the caller chooses."""

    @property
    def length_multiple(self) -> int:
        """Texts are padded to a multiple of this length, so that there are few shapes."""

    def embed(self, batch: NDArray[Any], *, cancel: Cancellation | None = None) -> F32:
        """Return the unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T]."""

    def single_threaded(self) -> Embed:
        """Return an `embed` on the calling thread only, for callers with their own threads."""

    def embed_on_device(self, batch: NDArray[Any]) -> OnDevice:
        """Embed a batch and leave the rows in the memory of the device."""

    def close(self) -> None:
        """Give the memory back, and refuse later calls; those at work end as usual."""


class Tower:
    """One ONNX tower: a packed batch in, unit rows [B, D] out. Safe to call from several threads.

    Its session uses all threads, which gives a single batch the least latency. Callers with their
    own worker threads take `single_threaded`.
    """

    lanes = 1
    length_multiple = 1

    def __init__(
        self,
        file: TowerFile,
        open_on: Callable[[int], Session],
        *,
        threads: int,
        low_memory: bool = False,
        largest_batch: int | None = None,
    ) -> None:
        self.largest_batch = largest_batch
        self._file, self._open_on, self._threads = file, open_on, threads
        self._session = self._opened(threads)
        self._single = self._session if threads == 1 or low_memory else None
        self._opening = ForkedLock()

    def embed(self, batch: NDArray[Any], *, cancel: Cancellation | None = None) -> F32:
        """Return the unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T].

        Raises:
            ClosedError: the tower was closed.
            RunCancelledError: the call was cancelled.
        """
        return self._session.run({self._file.input: batch}, self._file.output, cancel=cancel)

    def embed_on_device(self, batch: NDArray[Any]) -> OnDevice:
        """Embed a batch; the memory of the device is that of the CPU."""
        return self._session.run_on_device({self._file.input: batch}, self._file.output)

    def single_threaded(self) -> Embed:
        """Return the `embed` of a single-threaded session, for callers with their own threads.

        Two threads that each decode and embed 4 images take 11.6 ms an image (int8 ViT-B/32, from
        2 MP JPEGs); a session on both threads takes 15.4, as its threads wait for each other at
        every operator. A single image takes 16.2 ms on both threads and 19.2 on one, so both
        sessions have their use. The second one is opened at the first call; with low memory the
        session of `embed` is returned instead.
        """
        with self._opening:
            if self._single is None:
                self._session.require_open()
                self._single = self._opened(1)
            session = self._single
        if self._session.closed:  # meanwhile
            session.close()
        return lambda batch: session.run({self._file.input: batch}, self._file.output)

    def close(self) -> None:
        """Give the memory back, and refuse later calls; those at work end as usual."""
        self._session.close()
        if self._single is not None:
            self._single.close()

    def _opened(self, threads: int) -> Session:
        session = self._open_on(threads)
        session.require(inputs={self._file.input}, outputs={self._file.output})
        return session
