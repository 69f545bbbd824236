"""Native operators of int8 towers: a library that onnxruntime loads."""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Final

from twinlens_kernels.compiled import module_path, require_whole

VARIABLE: Final = "TWINLENS_OPERATORS"
"""Environment variable that may name one of `PATHS`, or "none"; read at the first use."""
PATHS: Final = ("amx", "avx512vnni", "avxvnni", "avx2")
"""Instruction sets for which there are operators, best first."""


@cache
def library() -> Path | None:
    """Return the library for `SessionOptions.register_custom_ops_library`.

    None where no compiler was found at installation: the functions inside the ONNX model then
    compute the operators.
    """
    module = module_path()
    if module is None:
        return None
    return next(iter(sorted(module.parent.glob("*twinlens_operators.*"))), None)


@cache
def path() -> str | None:
    """Return the instruction set in use, one of `PATHS`.

    None where this processor has none of them, or there is no library that can be loaded. The
    environment variable TWINLENS_OPERATORS may name one of them, or "none".

    Raises:
        ValueError: TWINLENS_OPERATORS names none of them, or one that cannot serve here.
    """
    if is_off():
        return None
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted not in PATHS:
        raise ValueError(f"{VARIABLE} is {wanted[:40]!r}, not one of {', '.join(PATHS)} and none")
    found = None if failure() is not None else _asked()
    if wanted and found != wanted:
        reason = failure() or "this processor or this installation has no such operators"
        raise ValueError(f"{VARIABLE} is {wanted!r}, but {reason}; unset it, or set it to none")
    return found


def is_off() -> bool:
    """Return True if the environment variable TWINLENS_OPERATORS is "none"."""
    return os.environ.get(VARIABLE) == "none"


@cache
def failure() -> str | None:
    """Return the reason if there is a library, and it cannot be loaded; else None."""
    found = library()
    if found is None:
        return None
    try:
        require_whole(found)
        _asked()
    except (OSError, AttributeError) as error:
        return f"{found.name} cannot be loaded: {error}"
    return None


def _asked() -> str | None:
    """Ask the library, which itself reads the environment variable."""
    found = library()
    if found is None:
        return None
    ask = ctypes.CDLL(str(found)).twinlens_operators_path
    ask.restype = ctypes.c_char_p
    name: bytes | None = ask()
    return None if name is None else name.decode()
