"""A tower on a device of its own: few batch sizes, several under way, results there if wanted."""

import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.manifest import TowerFile
from twinlens.embedding.tower import Embed
from twinlens.errors import DeviceMemoryError
from twinlens.ort.cuda.options import CudaOptions
from twinlens.ort.io_binding import OnDevice, Slot
from twinlens.ort.session import Session

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]


class Lane:
    """A session, and its places for batches; of use to one thread at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slots: dict[tuple[int, ...], Slot] = {}
        self._numbers = count(1)

    def embed(self, batch: NDArray[Any], size: int) -> F32:
        """The rows [n, D] of a batch of n <= size, computed as one of that size.

        Raises:
            DeviceMemoryError: there is no room for it; what was held for that size is given up.
        """
        shape = (size, *batch.shape[1:])
        try:
            if shape not in self._slots:
                self._slots[shape] = self._session.slot(shape, recorded=next(self._numbers))
            return self._slots[shape](batch)
        except DeviceMemoryError:
            self._slots.pop(shape, None)
            raise


class DeviceTower:
    """One ONNX tower on a device: batches of any size in, unit rows [B, D] out.

    Batches are cut and padded to a few sizes, 1, 2, 4 and so on, and each size has its memory,
    allocated once. What stands beside a row does not change it, so padding does not either. Several
    batches may be under way, one in each lane: threads that call while one lane computes copy their
    batch into another. Safe to call from any number of threads.
    """

    length_multiple = 8

    def __init__(
        self, file: TowerFile, open_on: Callable[[int], Session], *, cuda: CudaOptions
    ) -> None:
        """Open the tower.

        Args:
            file: its names.
            open_on: opens a session, given a number of CPU threads.
            cuda: how many lanes there are, how large a batch may be, whether runs are recorded.

        Raises:
            ProviderError: it does not run on the device, or some node of it does not.
        """
        self._file, self.largest_batch, self.lanes = file, cuda.largest_batch, cuda.lanes
        self._session = self._opened(open_on)
        self._lanes: queue.LifoQueue[Lane] = queue.LifoQueue()
        for number in range(cuda.lanes):
            # A recording belongs to a session, which must not run two at a time.
            own = cuda.graphs and number > 0
            self._lanes.put(Lane(self._opened(open_on) if own else self._session))

    def embed(self, batch: NDArray[Any]) -> F32:
        """Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T].

        Raises:
            DeviceMemoryError: there is no room for a batch, nor for its halves.
            ProviderError: the device failed.
        """
        parts = range(0, max(1, len(batch)), self.largest_batch)
        return np.concatenate([self._rows(batch[at : at + self.largest_batch]) for at in parts])

    def one_thread(self) -> Embed:
        """As `embed`: the device has threads of its own."""
        return self.embed

    def embed_on_device(self, batch: NDArray[Any]) -> OnDevice:
        """As `embed`, but the rows stay in the memory of the device, and no batch is cut."""
        return self._session.run_on_device({self._file.input: batch}, self._file.output)

    def _rows(self, batch: NDArray[Any]) -> F32:
        """Embed a batch; if the device is full, its halves, one after the other."""
        try:
            return self._run(batch)
        except DeviceMemoryError as error:
            if len(batch) == 1:
                raise
            logger.warning("a batch of %d is split, for %s", len(batch), error)
        try:
            return np.concatenate([self._run(half) for half in np.array_split(batch, 2)])
        except DeviceMemoryError as error:
            raise DeviceMemoryError(
                f"the device has room neither for a batch of {len(batch)} nor for its halves "
                f"({error}); free some of its memory, or load with "
                f"CudaOptions(largest_batch={max(1, len(batch) // 4)})"
            ) from error

    def _run(self, batch: NDArray[Any]) -> F32:
        size = min(self.largest_batch, 1 << max(0, len(batch) - 1).bit_length())
        with self._lane() as lane:
            return lane.embed(batch, size)

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        lane = self._lanes.get()
        try:
            yield lane
        finally:
            self._lanes.put(lane)

    def _opened(self, open_on: Callable[[int], Session]) -> Session:
        session = open_on(1)
        session.require(inputs={self._file.input}, outputs={self._file.output})
        session.require_placement(shape_nodes=self._file.shape_nodes)
        return session
