"""Freed memory, given back from the C library to the system."""

import ctypes
import sys
from contextlib import suppress
from typing import Final

_GLIBC: Final = "linux"


def give_back() -> None:
    """Let the C library give the memory back that was freed, if it is glibc.

    glibc keeps large blocks for later once a program has freed one: a process that closes its
    second fp32 ViT-B/32 has 563 MB of its own before, 558 after, and 38 once glibc is asked.
    """
    if sys.platform != _GLIBC:
        return
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
