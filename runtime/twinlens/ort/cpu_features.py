"""CPU features: saturation of 8-bit products on x86 without VNNI."""

import platform
from collections.abc import Collection
from pathlib import Path
from typing import Final

from twinlens_kernels.cpu import cpu_features

_X86: Final = frozenset({"amd64", "i386", "i686", "x86", "x86_64"})
_VNNI: Final = frozenset({"avxvnni", "avx512vnni"})
"""As the compiled kernels name them."""
_CPUINFO: Final = Path("/proc/cpuinfo")


def may_saturate() -> bool:
    """Return True if onnxruntime's products of unsigned and signed bytes may saturate here.

    The compiled kernels ask CPUID; without them Linux's list of flags is read.
    """
    features = cpu_features()
    return saturates(platform.machine(), cpuinfo_features() if features is None else features)


def saturates(machine: str, features: Collection[str] | None) -> bool:
    """Return True if products of unsigned and signed bytes may saturate on such a processor.

    An x86 processor without VNNI adds pairs of products in 16 bits, which saturate: on an emulated
    Haswell an int8 tower whose worst cosine is 0.9997 elsewhere falls to 0.92, without an error.

    Args:
        machine: name of the architecture, as `platform.machine()` gives it.
        features: as `twinlens_kernels.cpu.cpu_features` names them. None if they are unknown: x86
            is then taken to saturate, since wider products cost speed, saturated ones the result.
    """
    if machine.lower() not in _X86:
        return False
    return features is None or _VNNI.isdisjoint(features)


def cpuinfo_features(path: Path = _CPUINFO) -> frozenset[str] | None:
    """Return the flags that Linux lists, VNNI under the kernels' names; None without a list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    flags = next((line for line in lines if line.startswith("flags")), "")
    names = {"avx_vnni": "avxvnni", "avx512_vnni": "avx512vnni"}
    return frozenset(names.get(flag, flag) for flag in flags.split()[1:])
