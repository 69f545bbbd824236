"""Snapshot with its search engine: native kernels, ONNX Runtime or CUDA."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from twinlens.errors import CodesOnlyError, ProviderError
from twinlens.index.coded.engine import CodesEngine
from twinlens.index.snapshot import Snapshot
from twinlens.ort.device_choice import resolve
from twinlens.search.engine import SearchEngine
from twinlens.search.kernel_engine import KernelEngine
from twinlens.threads import usable_threads
from twinlens_kernels import NATIVE

logger = logging.getLogger(__name__)

EngineFactory = Callable[[Snapshot], SearchEngine]
"""Makes the search engine of a snapshot's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searchable:
    """Immutable (snapshot, engine) pair, swapped atomically: a running search keeps its own."""

    snapshot: Snapshot
    engine: SearchEngine

    @classmethod
    def of(cls, snapshot: Snapshot, make_engine: EngineFactory) -> Self:
        """Pair a snapshot with a new engine of its rows."""
        return cls(snapshot=snapshot, engine=make_engine(snapshot))

    def after(self, snapshot: Snapshot, make_engine: EngineFactory) -> Self:
        """Return the pair after a change; removed rows alone need no new engine."""
        if snapshot.sections is self.snapshot.sections:
            return type(self)(snapshot=snapshot, engine=self.engine)
        return self.of(snapshot, make_engine)


def cpu_engine(snapshot: Snapshot) -> SearchEngine:
    """Make the fastest engine on the CPU."""
    if snapshot.layout.codes_only:
        return CodesEngine(snapshot.codes, snapshot.errors)
    if NATIVE or not len(snapshot):
        return KernelEngine(rows=snapshot.rows, codes=snapshot.codes)
    from twinlens.search.onnx_engine import OnnxEngine  # noqa: PLC0415  used without compiled kernels only

    try:
        return OnnxEngine(snapshot.rows, snapshot.codes, threads=usable_threads())
    except ProviderError as error:  # onnxruntime is an extra, and numpy gives the same result
        logger.info("numpy searches the codes: %s", error)
        return KernelEngine(rows=snapshot.rows, codes=snapshot.codes)


def engine_factory(device: str, *, device_bytes: int | None) -> EngineFactory:
    """Return the engine factory of a device: "cpu", "cuda", "cuda:1" or "auto".

    Raises:
        ProviderError: the device cannot be used.
        ValueError: the name is not that of a device.
    """
    found = resolve(device)
    if found.kind == "cpu":
        return cpu_engine
    from twinlens.search.cuda_engine import CudaEngine  # noqa: PLC0415  used with a GPU only

    def cuda_engine(snapshot: Snapshot) -> SearchEngine:
        if snapshot.layout.codes_only:
            raise CodesOnlyError(
                f"a search on {found} scores float32 rows, and the index keeps codes alone; search "
                "on the CPU, or build it without codes_only"
            )
        return CudaEngine(
            snapshot.rows, device=found, codes=snapshot.codes, device_bytes=device_bytes
        )

    return cuda_engine
