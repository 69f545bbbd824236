"""The tower: one ONNX program that embeds pixels or ids."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.manifest import TowerFile
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.session import Session

F32 = NDArray[np.float32]
Embed = Callable[[NDArray[Any]], F32]
"""Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T]."""


class Embedder(Protocol):
    """What embeds batches, wherever it computes. Safe to call from several threads."""

    @property
    def lanes(self) -> int:
        """How many batches may be under way at once to some gain."""

    @property
    def largest_batch(self) -> int | None:
        """What it takes in one run; None if that is for its user to choose."""

    @property
    def length_multiple(self) -> int:
        """Of what the length of texts should be a multiple, so that there are few shapes."""

    def embed(self, batch: NDArray[Any]) -> F32:
        """Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T]."""

    def one_thread(self) -> Embed:
        """As `embed`, for those who keep every thread busy by themselves."""

    def embed_on_device(self, batch: NDArray[Any]) -> OnDevice:
        """As `embed`, but the rows stay in the memory of the device."""


class Tower:
    """One ONNX tower: a packed batch in, unit rows [B, D] out. Safe to call from several threads.

    It is opened on all threads, which is quickest for one who waits for a single answer. One who
    keeps every thread busy by himself is better served by `one_thread`.
    """

    lanes = 1
    largest_batch = None
    length_multiple = 1

    def __init__(
        self,
        file: TowerFile,
        open_on: Callable[[int], Session],
        *,
        threads: int,
        low_memory: bool = False,
    ) -> None:
        self._file, self._open_on, self._threads = file, open_on, threads
        self._session = self._opened(threads)
        self._single = self._session if threads == 1 or low_memory else None
        self._opening = threading.Lock()

    def embed(self, batch: NDArray[Any]) -> F32:
        """Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T], on all threads."""
        return self._session.run({self._file.input: batch}, self._file.output)

    def embed_on_device(self, batch: NDArray[Any]) -> OnDevice:
        """As `embed`: the memory of the device is that of the CPU."""
        return self._session.run_on_device({self._file.input: batch}, self._file.output)

    def one_thread(self) -> Embed:
        """As `embed`, on nothing but the thread that calls it.

        For callers that fetch their own batches: threads that each decode and embed 4 images take
        11.6 ms an image on two threads (int8, ViT-B/32, from 2 MP JPEGs), where a session on both
        threads takes 15.4, as its threads wait for each other at every operator. One image alone
        takes 16.2 ms on both threads and 19.2 on one, so both sessions have their use.
        This is the second one, opened when first asked for; where memory is low, the first serves.
        """
        with self._opening:
            if self._single is None:
                self._single = self._opened(1)
        session = self._single
        return lambda batch: session.run({self._file.input: batch}, self._file.output)

    def _opened(self, threads: int) -> Session:
        session = self._open_on(threads)
        session.require(inputs={self._file.input}, outputs={self._file.output})
        return session
