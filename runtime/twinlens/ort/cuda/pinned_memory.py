"""Pinned (page-locked) host memory, from which a device copies at full speed."""

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
"""cudaHostRegisterPortable: pinned for every device, not only for the current one."""


def pinned(
    shape: tuple[int, ...],
    dtype: DTypeLike,
    runtime: Any,  # noqa: ANN401  a library of ctypes
    *,
    number: int = 0,
) -> NDArray[Any]:
    """Return an array of zeros in pinned memory; in pageable memory if it cannot be pinned.

    onnxruntime's Python API allocates no pinned memory, so the pages are registered with the CUDA
    runtime that its provider has loaded (CUDA Runtime API, cudaHostRegister), and unregistered when
    the array is deleted.

    Args:
        shape: of the array; no dimension is 0.
        dtype: of its values.
        runtime: library of the CUDA runtime; None for pageable memory.
        number: of the device that will copy it.
    """
    count = math.prod(shape)
    if runtime is None:
        return np.zeros(shape, dtype=dtype)
    # Its own whole pages: a page can be registered only once.
    pages = mmap.mmap(-1, count * np.dtype(dtype).itemsize)
    array = np.frombuffer(pages, dtype=dtype, count=count)
    address = ctypes.c_void_p(array.ctypes.data)
    runtime.cudaSetDevice(number)
    code = runtime.cudaHostRegister(address, ctypes.c_size_t(len(pages)), _FOR_ALL)
    if code:
        logger.info("%d bytes are not page-locked: CUDA says %d", len(pages), code)
    else:
        # Not at exit: CUDA may be shut down by then, and the pages are freed anyway.
        weakref.finalize(array, runtime.cudaHostUnregister, address).atexit = False
    return array.reshape(shape)
