"""Options of a CUDA device: memory, batches in flight, precision, TensorRT."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

ConvolutionSearch = Literal["heuristic", "exhaustive", "default"]
ArenaGrowth = Literal["as_requested", "doubling"]

_GROWTH: Final[Mapping[ArenaGrowth, str]] = {
    "as_requested": "kSameAsRequested",
    "doubling": "kNextPowerOfTwo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaOptions:
    """Memory, batches and precision of models on a CUDA device.

    CudaOptions(memory_bytes=2**32)          # no more than 4 GiB for activations
    CudaOptions(graphs=True)                 # CUDA graphs: least latency for small batches
    CudaOptions(tensorrt=Path("engines"))    # minutes at first, then from the folder
    """

    convolution_search: ConvolutionSearch = "heuristic"
    """Choice of the algorithm of a convolution. "exhaustive", onnxruntime's own default, tries all
    of them for every new shape, which takes seconds each time."""
    arena_growth: ArenaGrowth = "as_requested"
    """Growth of the arena: by as much as is requested, or to twice its size, onnxruntime's own
    default."""
    memory_bytes: int | None = None
    """Limit of the device memory that one model may hold for its activations; None for all."""
    tf32: bool = False
    """True rounds the factors of float32 products to 10 bits: faster, and off by 1e-3 of a cosine.
    fp16 towers are not affected."""
    graphs: bool = False
    """True captures each batch size as a CUDA graph and replays it. That saves the launch of some
    hundred kernels, which counts for small batches. It costs memory, and a session for each
    lane."""
    lanes: int = 2
    """Batches in flight: while one computes, the next is copied."""
    largest_batch: int = 256
    """Images or texts in one run. Larger batches are cut, smaller ones padded to a power of two:
    few shapes keep the arena from growing."""
    tensorrt: Path | None = None
    """Folder for TensorRT's engines. TensorRT then compiles the parts of a tower that it supports,
    which takes minutes, once for each GPU, each TensorRT version and each tower. None: CUDA
    alone."""

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
        """Return the options of onnxruntime's CUDA provider, on the device of that number."""
        options = {
            "device_id": str(number),
            "cudnn_conv_algo_search": self.convolution_search.upper(),
            "arena_extend_strategy": _GROWTH[self.arena_growth],
            "use_tf32": _flag(self.tf32),
            "enable_cuda_graph": _flag(self.graphs),
            # Layer norms then sum in float32, not in float16.
            "enable_skip_layer_norm_strict_mode": "1",
        }
        if self.memory_bytes is not None:
            options["gpu_mem_limit"] = str(self.memory_bytes)
        return options

    def tensorrt_options(self, number: int, engines: Path) -> dict[str, str]:
        """Return the options of onnxruntime's TensorRT provider.

        Args:
            number: of the device.
            engines: folder for the engines of one model.
        """
        return {
            "device_id": str(number),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(engines),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(engines),
            # TensorRT may use fp16 where the graph has it.
            "trt_fp16_enable": "1",
            "trt_layer_norm_fp32_fallback": "1",
            "trt_cuda_graph_enable": _flag(self.graphs),
        }


DEFAULT: Final = CudaOptions()


def _flag(value: bool) -> str:
    return "1" if value else "0"
