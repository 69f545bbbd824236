"""What a caller may choose of the way programs run on CUDA."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Search = Literal["heuristic", "exhaustive", "default"]
Growth = Literal["as_requested", "doubling"]

_GROWTH: Final[Mapping[Growth, str]] = {
    "as_requested": "kSameAsRequested",
    "doubling": "kNextPowerOfTwo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaOptions:
    """How programs run on a CUDA device.

    CudaOptions(memory_bytes=2**32)          # no more than 4 GiB for activations
    CudaOptions(graphs=True)                 # least latency for small batches
    CudaOptions(tensorrt=Path("engines"))    # minutes at first, then from the folder
    """

    convolution_search: Search = "heuristic"
    """How an algorithm is chosen for a convolution. "exhaustive", onnxruntime's own default, tries
    all of them for every new shape, seconds each time."""
    arena_growth: Growth = "as_requested"
    """By how much the memory held grows: by what is wanted, or to twice as much, onnxruntime's own
    default."""
    memory_bytes: int | None = None
    """The most that one program may hold of the device for its activations; None for all."""
    tf32: bool = False
    """Whether float32 products are rounded to 10 bits: faster, and 1e-3 of a cosine. Half-precision
    towers have nothing to do with it."""
    graphs: bool = False
    """Whether the work of each batch size is recorded once and replayed: what starting some hundred
    kernels costs falls away, which counts for small batches. It costs memory, and a program for
    each lane."""
    lanes: int = 2
    """How many batches are under way at once: while one computes, the next is copied."""
    largest_batch: int = 256
    """Of one run. Larger batches are cut, smaller ones padded to a power of two: few shapes keep
    the memory held from growing."""
    tensorrt: Path | None = None
    """A folder for TensorRT's engines. TensorRT then compiles what it can of a tower: minutes, once
    for each GPU, each version of it and each tower. None: CUDA alone."""

    def __post_init__(self) -> None:
        if self.convolution_search not in ("heuristic", "exhaustive", "default"):
            raise ValueError(f"convolution_search is {self.convolution_search!r}, not 'heuristic'")
        if self.arena_growth not in _GROWTH:
            raise ValueError(f"arena_growth is {self.arena_growth!r}, not {' or '.join(_GROWTH)}")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes is {self.memory_bytes}, not a positive number of bytes")
        for name in ("lanes", "largest_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, not a positive number")

    def provider_options(self, number: int) -> dict[str, str]:
        """What onnxruntime's CUDA provider is told, on the device of that number."""
        options = {
            "device_id": str(number),
            "cudnn_conv_algo_search": self.convolution_search.upper(),
            "arena_extend_strategy": _GROWTH[self.arena_growth],
            "use_tf32": _flag(self.tf32),
            "enable_cuda_graph": _flag(self.graphs),
            # The sums of a layer norm in float32, where the other way adds halves.
            "enable_skip_layer_norm_strict_mode": "1",
        }
        if self.memory_bytes is not None:
            options["gpu_mem_limit"] = str(self.memory_bytes)
        return options

    def tensorrt_options(self, number: int, engines: Path) -> dict[str, str]:
        """What onnxruntime's TensorRT provider is told, with a folder for one program's engines."""
        return {
            "device_id": str(number),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(engines),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(engines),
            # The graph says what is half and what is float32; TensorRT may follow it.
            "trt_fp16_enable": "1",
            "trt_layer_norm_fp32_fallback": "1",
            "trt_cuda_graph_enable": _flag(self.graphs),
        }


DEFAULT: Final = CudaOptions()


def _flag(value: bool) -> str:
    return "1" if value else "0"
