"""Whether an error of onnxruntime means that the device is full."""

import re
from typing import Final

_FULL: Final = re.compile(
    r"Failed to allocate memory for requested buffer"  # the arena, when the device gives no more
    r"|smaller than requested bytes"  # the arena, at the limit it was given
    r"|CUDA failure 2\b"  # cudaErrorMemoryAllocation
    r"|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
    r"|[Oo]ut of memory|std::bad_alloc"
)


def is_out_of_memory(error: Exception) -> bool:
    """True if less at a time may work; False for every other failure."""
    return isinstance(error, MemoryError) or _FULL.search(str(error)) is not None
