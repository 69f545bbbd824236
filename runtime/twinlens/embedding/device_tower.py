"""Tower on a device of its own: few batch sizes, several batches in flight."""

import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.manifest import TowerFile
from twinlens.embedding.tower import Embed
from twinlens.errors import DeviceMemoryError
from twinlens.ort.cancellation import Cancellation
from twinlens.ort.cuda.options import CudaOptions
from twinlens.ort.io_binding import OnDevice, Slot
from twinlens.ort.session import Session

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]


class Lane:
    """A session and its slots, one for each batch size; for one thread at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slots: dict[tuple[int, ...], Slot] = {}
        self._numbers = count(1)

    def embed(self, batch: NDArray[Any], size: int) -> F32:
        """Return the rows [n, D] of a batch of n <= size, padded to that size.

        Raises:
            DeviceMemoryError: there is no room for it; the slot of that size is freed.
        """
        shape = (size, *batch.shape[1:])
        try:
            if shape not in self._slots:
                self._slots[shape] = self._session.slot(shape, recorded=next(self._numbers))
            return self._slots[shape](batch)
        except DeviceMemoryError:
            self._slots.pop(shape, None)
            raise

    def close(self) -> None:
        """Free its slots and its session."""
        self._session.close()
        self._slots.clear()


class DeviceTower:
    """One ONNX tower on a device: batches of any size in, unit rows [B, D] out.

    Batches are cut and padded to a few sizes, 1, 2, 4 and so on, and each size has its memory,
    allocated once. A row does not depend on the other rows of its batch, so padding does not change
    it. Several batches may be in flight, one in each lane: threads that call while one lane
    computes copy their batch into another. Safe to call from any number of threads.
    """

    length_multiple = 8

    def __init__(
        self, file: TowerFile, open_on: Callable[[int], Session], *, cuda: CudaOptions
    ) -> None:
        """Open the tower.

        Args:
            file: its manifest entry: names of input, output and shape nodes.
            open_on: opens a session, given a number of CPU threads.
            cuda: number of lanes, largest batch, CUDA graphs.

        Raises:
            ProviderError: the tower, or a node of it, does not run on the device.
        """
        self._file, self.largest_batch, self.lanes = file, cuda.largest_batch, cuda.lanes
        self._session = self._opened(open_on)
        self._lanes: queue.LifoQueue[Lane] = queue.LifoQueue()
        for number in range(cuda.lanes):
            # A CUDA graph belongs to its session, which must not replay two at a time.
            own = cuda.graphs and number > 0
            self._lanes.put(Lane(self._opened(open_on) if own else self._session))

    def embed(self, batch: NDArray[Any], *, cancel: Cancellation | None = None) -> F32:
        """Return the unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T].

        Raises:
            ClosedError: the tower was closed.
            DeviceMemoryError: there is no room for a batch, nor for its halves.
            ProviderError: the device failed, or this process was forked after the tower was opened.
            RunCancelledError: the call was cancelled; a run that has begun ends first.
        """
        self._session.require_process()  # a thread of the parent may have had all lanes
        found = []
        for at in range(0, max(1, len(batch)), self.largest_batch):
            if cancel is not None:
                cancel.require_none(self._file.file)
            found.append(self._rows(batch[at : at + self.largest_batch]))
        return np.concatenate(found)

    def single_threaded(self) -> Embed:
        """Return `embed`: the device has threads of its own."""
        return self.embed

    def embed_on_device(self, batch: NDArray[Any]) -> OnDevice:
        """Embed one batch, never cut, and leave the rows in the memory of the device."""
        return self._session.run_on_device({self._file.input: batch}, self._file.output)

    def close(self) -> None:
        """Give the memory back, and refuse later calls; those at work end as usual."""
        lost = self._session.lost  # with all lanes, which a thread of the parent may hold
        self._session.close()
        if lost:
            return
        idle: list[Lane] = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._lanes.get_nowait())
        for lane in idle:
            lane.close()
            self._lanes.put(lane)

    def _rows(self, batch: NDArray[Any]) -> F32:
        """Embed a batch; if the device is out of memory, its halves, one after the other."""
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
            if self._session.closed:  # meanwhile
                self.close()

    def _opened(self, open_on: Callable[[int], Session]) -> Session:
        session = open_on(1)
        session.require(inputs={self._file.input}, outputs={self._file.output})
        session.require_placement(shape_nodes=self._file.shape_nodes)
        return session
