"""Host memory that a device copies from at full speed, because it never moves."""

import ctypes
import logging
import math
import mmap
import weakref
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

logger = logging.getLogger(__name__)

_FOR_ALL: Final = 1
"""cudaHostRegisterPortable: for every device, not only the one that is current."""


def pinned(
    shape: tuple[int, ...],
    dtype: DTypeLike,
    runtime: Any,  # noqa: ANN401  what ctypes makes of a library
    *,
    number: int = 0,
) -> NDArray[Any]:
    """An array of zeros in page-locked memory; in plain memory if it cannot be locked.

    onnxruntime's Python offers no such memory of CUDA's, so the pages are locked by the CUDA
    runtime that its provider has loaded (CUDA Runtime API, cudaHostRegister), and unlocked when
    the array is gone.

    Args:
        shape: of the array; no side is 0.
        dtype: of its numbers.
        runtime: the CUDA runtime's library; None for plain memory.
        number: the device that will copy it.
    """
    count = math.prod(shape)
    if runtime is None:
        return np.zeros(shape, dtype=dtype)
    # Whole pages of its own: a page can be locked once only.
    pages = mmap.mmap(-1, count * np.dtype(dtype).itemsize)
    array = np.frombuffer(pages, dtype=dtype, count=count)
    address = ctypes.c_void_p(array.ctypes.data)
    runtime.cudaSetDevice(number)
    code = runtime.cudaHostRegister(address, ctypes.c_size_t(len(pages)), _FOR_ALL)
    if code:
        logger.info("%d bytes are not page-locked: CUDA says %d", len(pages), code)
    else:
        # Not at the end of the process: CUDA may be gone by then, and the pages go anyway.
        weakref.finalize(array, runtime.cudaHostUnregister, address).atexit = False
    return array.reshape(shape)
