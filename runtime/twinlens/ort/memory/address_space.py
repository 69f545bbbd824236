"""Limits of a process's address space, asked before a library is called that dies of them.

Where a small allocation fails, glibc ends the process in a thread that touches its data for the
first time, a thread that Python starts may be lost without a word, and Pillow's decoders crash. So
a call that takes little is refused while there still is a reserve.
"""

import ctypes
import mmap
from collections.abc import Callable
from typing import Final, cast

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

RESERVE_BYTES: Final = 2**24
"""Reserve of a call: what its errors, its threads' data and their small allocations take."""
SESSION_BYTES: Final = 2**25
"""Reserve of the opening of a model, beside its threads."""
_CXX_GLOBALS: Final = "__cxa_get_globals"
_STACK_BYTES: Final = 2**23
"""Stack of a thread where its size has no limit."""


class ReserveError(MemoryError):
    """The limit of this process's memory is near."""


def require_address_space(act: str, *, n_bytes: int = RESERVE_BYTES, threads: int = 0) -> None:
    """Check that a process under a limit (`ulimit -v`) can map more memory.

    Without a limit nothing is asked. Memory is not touched: it is mapped and given back (3 us).

    Args:
        act: what needs it, for the message.
        n_bytes: memory that must be left.
        threads: number of threads that are started too.

    Raises:
        ReserveError: it cannot.
    """
    if resource is None or not _is_limited():
        return
    wanted = n_bytes + threads * (_stack_bytes() + 2**20)
    try:
        mmap.mmap(-1, wanted, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError) as error:
        raise ReserveError(
            f"{act} needs a reserve of {wanted / 2**20:.0f} MiB, and the limit of this process's "
            "memory (ulimit -v) leaves less; raise it, or use fewer threads"
        ) from error


def touch_exceptions() -> None:
    """Let the calling thread have the data of C++ exceptions, which its first one would allocate.

    glibc ends the process if there is no memory for them.
    """
    if _GLOBALS is not None:
        _GLOBALS()


def _is_limited() -> bool:
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


def _stack_bytes() -> int:
    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return _STACK_BYTES if soft == resource.RLIM_INFINITY else soft


def _exception_globals() -> Callable[[], object] | None:
    try:
        return cast("Callable[[], object]", getattr(ctypes.CDLL("libstdc++.so.6"), _CXX_GLOBALS))
    except (OSError, AttributeError):  # another system, or another library of C++
        return None


_GLOBALS: Final = _exception_globals()
