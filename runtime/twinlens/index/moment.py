"""What searches the rows of a snapshot: the kernels, onnxruntime in their place, or a device."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import ProviderError
from twinlens.index.snapshot import Snapshot
from twinlens.ort.session import resolve
from twinlens.searching.searcher import Searcher
from twinlens.threads import usable_threads
from twinlens_kernels import NATIVE, topk

logger = logging.getLogger(__name__)

Place = Callable[[Snapshot], Searcher]
"""Makes the searcher of a snapshot's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSearch:
    """The `Searcher` that is always there: `twinlens_kernels.topk` over rows and their codes."""

    snapshot: Snapshot

    def topk(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids [Q, K] and scores [Q, K], as every `Searcher` gives them."""
        return topk(
            queries,
            self.snapshot.rows,
            k,
            codes=self.snapshot.codes,
            allowed=allowed,
            threads=threads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An index as a search finds it: replaced as one, so that no search mixes two of them."""

    snapshot: Snapshot
    searcher: Searcher

    @classmethod
    def of(cls, snapshot: Snapshot, place: Place) -> Self:
        """The snapshot, and a searcher of its rows at that place."""
        return cls(snapshot=snapshot, searcher=place(snapshot))

    def then(self, snapshot: Snapshot, place: Place) -> Self:
        """The moment after a change; rows that are merely removed need no new searcher."""
        if snapshot.sections is self.snapshot.sections:
            return type(self)(snapshot=snapshot, searcher=self.searcher)
        return self.of(snapshot, place)


def on_host(snapshot: Snapshot) -> Searcher:
    """The fastest searcher on the CPU."""
    if NATIVE or not len(snapshot):
        return KernelSearch(snapshot=snapshot)
    from twinlens.searching.coded_search import CodedSearch  # noqa: PLC0415  of use without a compiler only

    try:
        return CodedSearch(snapshot.rows, snapshot.codes, threads=usable_threads())
    except ProviderError as error:  # onnxruntime is an extra, and numpy gives the same answer
        logger.info("numpy searches the codes: %s", error)
        return KernelSearch(snapshot=snapshot)


def place_of(device: str, *, device_bytes: int | None) -> Place:
    """Where a device's name says: "cpu", "cuda", "cuda:1" or "auto".

    Raises:
        ProviderError: the device cannot be used.
        ValueError: the name means no device.
    """
    found = resolve(device)
    if found.kind == "cpu":
        return on_host
    from twinlens.searching.device_search import DeviceSearch  # noqa: PLC0415  of use with a GPU only

    def on_device(snapshot: Snapshot) -> Searcher:
        return DeviceSearch(
            snapshot.rows, device=found, codes=snapshot.codes, device_bytes=device_bytes
        )

    return on_device
