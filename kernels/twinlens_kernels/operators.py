"""Native operators of int8 towers: a library that onnxruntime loads."""

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def library() -> Path | None:
    """Return the library for `SessionOptions.register_custom_ops_library`.

    None where no compiler was found at installation: the functions inside the ONNX model then
    compute the operators.
    """
    native = find_spec("twinlens_kernels._native")
    if native is None or native.origin is None:
        return None
    beside = Path(native.origin).parent.glob("*twinlens_operators.*")
    return next(iter(sorted(beside)), None)


@cache
def path() -> str | None:
    """Return the instruction set in use: "amx" or "avx512vnni".

    None where this processor has neither, or there is no library. The environment variable
    TWINLENS_OPERATORS may name one of them, or "none".
    """
    found = library()
    if found is None:
        return None
    ask = ctypes.CDLL(str(found)).twinlens_operators_path
    ask.restype = ctypes.c_char_p
    name: bytes | None = ask()
    return None if name is None else name.decode()
