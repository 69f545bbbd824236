"""The tower: one ONNX program that embeds pixels or ids."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle import TowerFile
from twinlens.session import Session

F32 = NDArray[np.float32]
Embed = Callable[[NDArray[Any]], F32]
"""Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T]."""


class Tower:
    """One ONNX tower: a packed batch in, unit rows [B, D] out. Safe to call from several threads.

    It is opened on all threads, which is quickest for one who waits for a single answer. One who
    keeps every thread busy by himself is better served by `one_thread`.
    """

    def __init__(self, file: TowerFile, open_on: Callable[[int], Session], *, threads: int) -> None:
        self._file, self._open_on, self._threads = file, open_on, threads
        self._session = self._opened(threads)
        self._single = self._session if threads == 1 else None
        self._opening = threading.Lock()

    def embed(self, batch: NDArray[Any]) -> F32:
        """Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T], on all threads."""
        return self._session.run({self._file.input: batch}, self._file.output)

    def one_thread(self) -> Embed:
        """As `embed`, on nothing but the thread that calls it.

        Two callers who do this get 1.3 times as much done as one who uses both threads (int8,
        ViT-B/32: 8.1 against 10.3 ms an image in batches of 32), for the threads of a session wait
        for each other at every operator. It is a second session, opened when first asked for.
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
