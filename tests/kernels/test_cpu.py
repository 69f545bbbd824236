"""The processor's features, against what the system and the kernels say of it."""

import platform
import sys
from pathlib import Path

import pytest

from twinlens_kernels import NATIVE, PATH, cpu, cpu_features

NAMES = {
    "x86_64": {"avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx_int8", "amx_bf16"},
    "aarch64": {"dotprod", "i8mm"},
}
# What Linux calls them; a feature of ours may need several.
FLAGS = {
    "avx2": {"avx2", "fma"},
    "avxvnni": {"avx2", "fma", "avx_vnni"},
    "avx512": {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512vnni": {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    "avx512bf16": {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"},
    "dotprod": {"asimddp"},
    "i8mm": {"i8mm"},
}


def test_nothing_is_known_where_the_kernels_are_not_compiled() -> None:
    assert (cpu_features() is None) is not NATIVE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "NATIVE", False)
        assert cpu_features.__wrapped__() is None


@pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled")
def test_the_kernels_that_serve_need_a_feature_that_is_there() -> None:
    features = {
        "amx": "amx_int8",
        "neoni8mm": "i8mm",
        "neondot": "dotprod",
        "neon": "",
        "scalar": "",
    }
    needed = features.get(PATH, PATH)
    assert not needed or needed in (cpu_features() or ())


@pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled")
@pytest.mark.skipif(sys.platform != "linux", reason="the flags are those of Linux's /proc/cpuinfo")
def test_linux_sees_the_same_features() -> None:
    found = cpu_features() or frozenset()
    known = NAMES.get(platform.machine(), set())
    assert found <= known
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = next(line for line in lines if line.startswith(("flags", "Features"))).split()
    for name in known & set(FLAGS):
        assert (name in found) is FLAGS[name].issubset(flags), name
