"""Features of this processor, as the compiled kernels detect them."""

from functools import cache

from twinlens_kernels.compiled import NATIVE

if NATIVE:
    from twinlens_kernels import _native


@cache
def cpu_features() -> frozenset[str] | None:
    """Names of the features that this processor has and its system lets this process use.

    On x86: "avx2" (with FMA), "avxvnni", "avx512" (F, BW, DQ and VL), "avx512vnni", "avx512bf16",
    "amx_int8",
    "amx_bf16"; on ARM "dotprod", "i8mm". Asked of CPUID and XGETBV, on ARM of the system.

    None where the kernels are not compiled: then nothing is known of the processor.
    """
    return frozenset(_native.cpu_features()) if NATIVE else None
