"""What searches the rows of a snapshot: the kernels, onnxruntime in their place, or a device."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from twinlens.errors import ProviderError
from twinlens.index.snapshot import Snapshot
from twinlens.ort.device_choice import resolve
from twinlens.search.engine import SearchEngine
from twinlens.search.kernel_engine import KernelEngine
from twinlens.threads import usable_threads
from twinlens_kernels import NATIVE

logger = logging.getLogger(__name__)

Place = Callable[[Snapshot], SearchEngine]
"""Makes the searcher of a snapshot's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searchable:
    """An index as a search finds it: replaced as one, so that no search mixes two of them."""

    snapshot: Snapshot
    searcher: SearchEngine

    @classmethod
    def of(cls, snapshot: Snapshot, place: Place) -> Self:
        """The snapshot, and a searcher of its rows at that place."""
        return cls(snapshot=snapshot, searcher=place(snapshot))

    def then(self, snapshot: Snapshot, place: Place) -> Self:
        """The moment after a change; rows that are merely removed need no new searcher."""
        if snapshot.sections is self.snapshot.sections:
            return type(self)(snapshot=snapshot, searcher=self.searcher)
        return self.of(snapshot, place)


def on_host(snapshot: Snapshot) -> SearchEngine:
    """The fastest searcher on the CPU."""
    if NATIVE or not len(snapshot):
        return KernelEngine(rows=snapshot.rows, codes=snapshot.codes)
    from twinlens.search.onnx_engine import OnnxEngine  # noqa: PLC0415  of use without a compiler only

    try:
        return OnnxEngine(snapshot.rows, snapshot.codes, threads=usable_threads())
    except ProviderError as error:  # onnxruntime is an extra, and numpy gives the same answer
        logger.info("numpy searches the codes: %s", error)
        return KernelEngine(rows=snapshot.rows, codes=snapshot.codes)


def place_of(device: str, *, device_bytes: int | None) -> Place:
    """Where a device's name says: "cpu", "cuda", "cuda:1" or "auto".

    Raises:
        ProviderError: the device cannot be used.
        ValueError: the name means no device.
    """
    found = resolve(device)
    if found.kind == "cpu":
        return on_host
    from twinlens.search.cuda_engine import CudaEngine  # noqa: PLC0415  of use with a GPU only

    def on_device(snapshot: Snapshot) -> SearchEngine:
        return CudaEngine(
            snapshot.rows, device=found, codes=snapshot.codes, device_bytes=device_bytes
        )

    return on_device
