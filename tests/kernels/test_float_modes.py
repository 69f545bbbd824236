"""Search by codes in any floating-point mode that another library has set on the thread."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from search_cases import F32, PATHS, mean_row

from twinlens_kernels import NATIVE, encode, reference

if NATIVE:
    from twinlens_kernels import native

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or platform.machine() != "x86_64",
    reason="the mode is set through glibc's fenv_t of x86-64",
)
# glibc's fenv_t: 28 bytes of the x87, then MXCSR.
_BYTES, _MXCSR = 32, 28
_IEEE, _FLUSH = 0x1F80, 0x8040
MODES = {
    "flush": _IEEE | _FLUSH,
    "down": _IEEE | 0x2000,
    "up": _IEEE | 0x4000,
    "flush up": _IEEE | _FLUSH | 0x4000,
}


@contextmanager
def mode_of_thread(mode: int) -> Iterator[None]:
    libm = ctypes.CDLL("libm.so.6")
    before = (ctypes.c_uint8 * _BYTES)()
    libm.fegetenv(before)
    changed = (ctypes.c_uint8 * _BYTES)(*before)
    changed[_MXCSR:] = list(mode.to_bytes(4, "little"))
    libm.fesetenv(changed)
    try:
        yield
    finally:
        libm.fesetenv(before)


def scaled(random: np.random.Generator, shape: tuple[int, int], *exponents: int) -> F32:
    """Normal numbers, each times two to the power of one of the exponents."""
    wide = np.ldexp(random.standard_normal(shape), random.choice(exponents, size=shape))
    rows: F32 = wide.astype(np.float32)
    return rows


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("size", [0, 120], ids=["rows of 1", "huge rows"])
def test_no_mode_of_the_caller_changes_an_answer(path: str, mode: int, size: int) -> None:
    random = np.random.default_rng(0)
    # The largest components are normal, the others not: to flush those changes every score.
    queries, rows = scaled(random, (20, 33), -128, -125), scaled(random, (1000, 33), size)
    codes = encode(rows, centre=mean_row(rows))
    coded = native.coded_corpus(rows, codes, None)
    wanted_ids, wanted = reference.topk(queries, rows, 5)
    for n_queries in (1, 3, 20):
        asked, floors = queries[:n_queries], wanted[:n_queries, -1].copy()
        with mode_of_thread(mode):
            ids, scores = native.topk(asked, coded, 5, path=path)
            ranges = native.within(asked, coded, floors, path=path)
        np.testing.assert_array_equal(ids, wanted_ids[:n_queries])
        np.testing.assert_array_equal(scores, wanted[:n_queries])
        np.testing.assert_array_equal(np.diff(ranges.starts), 5)
        np.testing.assert_array_equal(ranges.ids.reshape(n_queries, 5), wanted_ids[:n_queries])
