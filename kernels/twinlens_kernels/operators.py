"""Native operators of int8, bf16 and float32 towers: a library that onnxruntime loads."""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Final

from twinlens_kernels.compiled import REASON, module_path, require_whole
from twinlens_kernels.installation import CURE, NATIVE, NEVER, is_pure, is_required

VARIABLE: Final = "TWINLENS_OPERATORS"
"""Environment variable that may name one of `PATHS`, or "none"; read at the first use."""
PATHS: Final = ("amx", "avx512vnni", "avxvnni", "avx2", "neoni8mm", "neondot", "neon")
"""Instruction sets for which there are operators, best first."""
BF16_PATHS: Final = ("avx512bf16",)
"""Instruction sets with products of bfloat16, which serve bf16 towers beside one of `PATHS`."""
SERVING: Final = "twinlens_operators_path"
REPRODUCIBLE: Final = "twinlens_operators_reproducible_path"
BF16: Final = "twinlens_operators_bf16_path"
RUNNABLE: Final = "twinlens_operators_runnable_sets"
QUESTIONS: Final = (SERVING, REPRODUCIBLE, BF16, RUNNABLE)
"""Functions of the library, of which the first three read TWINLENS_OPERATORS themselves. One of
another version of this package may lack some."""
SAME_BITS: Final = frozenset({*PATHS, *BF16_PATHS, "amx_reproducible"} - {"amx"})
"""Those that give the same rows, to the bit: the attention of int8 by AMX multiplies bfloat16, but
not that of its variant for reproducible sessions. In float32 and in bf16 all give the same."""


@cache
def library() -> Path | None:
    """Return the library for `SessionOptions.register_custom_ops_library`.

    None where none was compiled, or TWINLENS_PURE=1: the functions inside the ONNX model then
    compute the operators.
    """
    if is_pure():
        return None
    module = module_path()
    folder = Path(__file__).parent if module is None else module.parent
    return next(iter(sorted(folder.glob("*twinlens_operators.*"))), None)


@cache
def path() -> str | None:
    """Return the instruction set in use, one of `PATHS`.

    None where this processor has none of them, or there is no library that can be loaded. The
    environment variable TWINLENS_OPERATORS may name one of them, or "none".

    Raises:
        ValueError: TWINLENS_OPERATORS names none of them, or one that cannot serve here.
    """
    wanted = _wanted()
    if is_off():
        return None
    found = None if failure() is not None else _answer(SERVING)
    if wanted and found != wanted:
        here = ", ".join((*runnable(), "none"))
        reason = failure() or "this processor or this installation has no such operators"
        raise ValueError(f"{VARIABLE} is {wanted!r}, but {reason}; unset it, or set it to {here}")
    return found


@cache
def bf16_path() -> str | None:
    """Return the instruction set that computes bf16 towers: one of `BF16_PATHS`, or that of `path`.

    The latter widens the numbers to float32, at the speed of that. None as for `path`.

    Raises:
        ValueError: as for `path`.
    """
    return None if path() is None else _answer(BF16)


@cache
def reproducible_path() -> str:
    """Return the instruction set of the operators whose bits every processor gives.

    That of `path`, or "amx_reproducible" where that is the exception, AMX.

    Raises:
        ValueError: there is none here.
    """
    usual = path()
    if is_off():
        raise ValueError(f"{VARIABLE} is 'none', and only native operators give the same bits")
    found = None if usual is None else _answer(REPRODUCIBLE)
    if found is None:
        reason = failure() or (
            absence() if library() is None else f"this processor has none of {', '.join(PATHS)}"
        )
        raise ValueError(f"there are no native operators, which alone give the same bits: {reason}")
    return found


def absence() -> str:
    """Return the reason that there is no library."""
    return REASON or NEVER


def _wanted() -> str:
    """Return the value of TWINLENS_OPERATORS, "" if it is not set.

    Raises:
        ValueError: nothing has that name.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "none", *PATHS):
        raise ValueError(f"{VARIABLE} is {wanted[:40]!r}, not one of {', '.join(PATHS)} and none")
    return wanted


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
        for question in QUESTIONS:
            _answer(question)
    except (OSError, AttributeError) as error:
        return f"{found.name} cannot be loaded: {error}"
    return None


@cache
def runnable() -> tuple[str, ...]:
    """Return the instruction sets of `PATHS` for which the library has operators that run here."""
    if library() is None or failure() is not None:
        return ()
    return tuple((_answer(RUNNABLE) or "").split())


def _answer(question: str) -> str | None:
    found = library()
    if found is None:
        return None
    ask = ctypes.CDLL(str(found))[question]
    ask.restype = ctypes.c_char_p
    name: bytes | None = ask()
    return None if name is None else name.decode()


if is_required() and (library() is None or failure() is not None):
    raise ImportError(
        f"{NATIVE}=required, and there are no native operators: {failure() or absence()}; {CURE}"
    )
