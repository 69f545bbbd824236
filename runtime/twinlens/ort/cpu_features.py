"""The processor: whether its 8-bit products need care."""

import platform
from pathlib import Path

_DESCRIPTION = Path("/proc/cpuinfo")
_X86 = frozenset({"amd64", "i386", "i686", "x86", "x86_64"})


def may_saturate(*, machine: str | None = None, description: Path = _DESCRIPTION) -> bool:
    """Whether onnxruntime's product of unsigned and signed bytes may lose its upper bits.

    An x86 processor without VNNI adds pairs of products in 16 bits, which saturate: on an emulated
    Haswell an int8 tower whose worst cosine is 0.9997 elsewhere falls to 0.92, without a word.

    Args:
        machine: the architecture's name; this machine's by default.
        description: Linux's list of what the processor can do. Where there is none, x86 is taken
            to saturate: care costs speed, no care costs the answer.
    """
    if (machine or platform.machine()).lower() not in _X86:
        return False
    try:
        lines = description.read_text(encoding="utf-8").splitlines()
    except OSError:
        return True
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return not {"avx512_vnni", "avx_vnni"}.intersection(flags)
