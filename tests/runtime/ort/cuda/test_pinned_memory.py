import ctypes
import gc

import numpy as np
import pytest

from twinlens.ort.cuda.pinned_memory import pinned


class Runtime:
    """Functions of libcudart."""

    def __init__(self, code: int = 0) -> None:
        self.code, self.device = code, -1
        self.locked: dict[int, int] = {}

    def cudaSetDevice(self, number: int) -> int:  # noqa: N802
        self.device = number
        return 0

    def cudaHostRegister(  # noqa: N802
        self, address: ctypes.c_void_p, size: ctypes.c_size_t, _flags: int
    ) -> int:
        if not self.code:
            self.locked[address.value or 0] = size.value
        return self.code

    def cudaHostUnregister(self, address: ctypes.c_void_p) -> int:  # noqa: N802
        del self.locked[address.value or 0]
        return 0


def test_memory_is_locked_as_long_as_its_array_lives() -> None:
    runtime = Runtime()
    array = pinned((3, 5, 7), np.uint8, runtime, number=2)
    assert (array.shape, array.dtype, array.any()) == ((3, 5, 7), np.uint8, False)
    assert runtime.device == 2
    assert runtime.locked == {array.ctypes.data: 105}
    array[1] = 9
    part = array[1:]
    del array
    gc.collect()
    assert len(runtime.locked) == 1, "a part of it still lives"
    assert part.sum() == 9 * 35
    del part
    gc.collect()
    assert runtime.locked == {}


def test_memory_that_cannot_be_locked_is_plain(caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime(code=304)
    with caplog.at_level("INFO", "twinlens"):
        array = pinned((4, 2), np.int64, runtime)
    array[:] = 1
    assert array.sum() == 8
    assert "64 bytes are not page-locked: CUDA says 304" in caplog.text
    assert pinned((4, 2), np.int64, None).tolist() == [[0, 0]] * 4
