"""Out-of-memory errors of onnxruntime."""

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
    """Return True if the error is out-of-memory, so that a smaller batch may work."""
    return isinstance(error, MemoryError) or _FULL.search(str(error)) is not None
