"""Imitated GPU: the CPU provider of onnxruntime under the name of CUDA, and a log of the calls."""
# ruff: noqa: ANN401, ARG002, ARG003, ARG005 - the signatures are those of an untyped library

import importlib.metadata
import struct
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import DTypeLike

from twinlens.ort.cuda.driver import Driver
from twinlens.ort.cuda.installation import CudaWheel

CUDA = "CUDAExecutionProvider"


def imitate_wheels(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Install these wheels of onnxruntime, and no others."""

    def version(name: str) -> str:
        if name not in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.99"

    monkeypatch.setattr(importlib.metadata, "version", version)


def imitate_onnxruntime(monkeypatch: pytest.MonkeyPatch, **changes: object) -> ModuleType:
    """Replace some names of the real library."""
    library = ModuleType("onnxruntime")
    vars(library).update({**vars(onnxruntime), **changes})
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    return library


def imitate_gpu_wheel(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Imitate a wheel that lists CUDA and finds its libraries; `changes` replace other names."""
    listed = [CUDA, "CPUExecutionProvider"]
    imitate_onnxruntime(
        monkeypatch,
        **{"get_available_providers": lambda: listed, "preload_dlls": lambda: None, **changes},
    )
    driver = Driver(cuda=(13, 0), gpus=("Imitation 0", "Imitation 1"))
    monkeypatch.setattr(CudaWheel, "require", lambda self, number: driver)


@dataclass
class Gpu:
    """Faults of the imitated GPU, and a log of the requests to it."""

    on_cpu: Collection[str] = ()
    """Operators that fall back to the CPU."""
    broken: Collection[str] = ()
    """Providers that do not start."""
    refusals: list[Exception] = field(default_factory=list)
    """Errors of the next runs, one each."""
    providers: list[dict[str, dict[str, str]]] = field(default_factory=list)
    """Providers and their options, by session."""
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    """Input shape of each bound run."""
    recorded: list[str | None] = field(default_factory=list)
    """The "gpu_graph_id" of each bound run."""
    before_run: Callable[[], None] = lambda: None


def imitate_gpu(monkeypatch: pytest.MonkeyPatch, **choices: Any) -> Gpu:
    """Make device="cuda" work, on the CPU."""
    if not hasattr(onnxruntime.OrtValue, "__dlpack__"):
        pytest.skip(f"onnxruntime {onnxruntime.__version__}: the extra gpu wants 1.26 or newer")
    gpu = Gpu(**choices)
    imitate_gpu_wheel(monkeypatch, InferenceSession=partial(ImitatedSession, gpu), OrtValue=Value)
    return gpu


class Binding(onnxruntime.IOBinding):
    """Binding to the memory of the CPU, for every device asked for."""

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.given = value
        super().bind_ortvalue_input(name, value)

    def bind_output(self, name: str, kind: str = "cpu", number: int = 0, **_: Any) -> None:
        super().bind_output(name)


class ImitatedSession(onnxruntime.InferenceSession):
    """Session on the CPU that reports CUDA."""

    def __init__(self, gpu: Gpu, program: Any, options: Any, *, providers: Any, **_: Any) -> None:
        gpu.providers.append(dict(providers))
        self._gpu = gpu
        self._reported = [name for name, _ in providers if name not in gpu.broken]
        super().__init__(program, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> Sequence[str]:
        return [*self._reported, "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [
            SimpleNamespace(
                ep_name="CPUExecutionProvider" if node.op_type in self._gpu.on_cpu else CUDA,
                get_nodes=lambda node=node: [node],
            )
            for part in super().get_provider_graph_assignment_info()
            for node in part.get_nodes()
        ]

    def io_binding(self) -> Binding:
        return Binding(self)

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> None:
        self._gpu.before_run()
        if self._gpu.refusals:
            raise self._gpu.refusals.pop(0)
        if hasattr(iobinding, "given"):
            self._gpu.shapes.append(tuple(iobinding.given.shape()))
        entry = run_options and run_options.get_run_config_entry("gpu_graph_id")
        self._gpu.recorded.append(entry)
        super().run_with_iobinding(iobinding, run_options)


class Value(onnxruntime.OrtValue):
    """Value in the memory of the CPU, for every device asked for."""

    @classmethod
    def ortvalue_from_shape_and_type(
        cls, shape: Sequence[int], dtype: DTypeLike, kind: str, number: int
    ) -> Any:
        return super().ortvalue_from_shape_and_type(shape, dtype)

    @classmethod
    def ortvalue_from_numpy(cls, array: np.ndarray, kind: str, number: int) -> Any:
        return super().ortvalue_from_numpy(array.copy())


def provider_library(folder: Path, *needs: str) -> Path:
    """Write the CUDA provider of a wheel, linked to these libraries, and return its path."""
    capi = folder / "capi"
    capi.mkdir(parents=True)
    library = capi / "libonnxruntime_providers_cuda.so"
    library.write_bytes(elf(*needs))
    return library


def elf(*needs: str) -> bytes:
    """Return a 64-bit ELF file that is linked to these libraries, and holds nothing else."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needs)
    places = [1 + sum(len(name) + 1 for name in needs[:n]) for n in range(len(needs))]
    headers, base = 64 + 2 * 56, 0x1000
    entries = [(1, place) for place in places] + [(5, 0), (0, 0)]
    start = headers + 16 * len(entries)
    entries[-2] = (5, base + start)
    table = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    size = start + len(strings)
    head = struct.pack(
        "<6s10xHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0,
    )  # fmt: skip
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, base, base, size, size, 4096)
    dynamic = struct.pack(
        "<IIQQQQQQ", 2, 4, headers, base + headers, base + headers, len(table), len(table), 8
    )
    return head + load + dynamic + table + strings
