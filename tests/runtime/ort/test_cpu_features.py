"""Saturation of 8-bit products: only on x86 without VNNI."""

import platform
from pathlib import Path

import pytest

from twinlens.ort import cpu_features as module
from twinlens.ort.cpu_features import cpuinfo_features, may_saturate, saturates
from twinlens_kernels.cpu import cpu_features


@pytest.mark.parametrize(
    ("machine", "flags", "saturating"),
    [
        ("x86_64", "fpu avx2 avx512f avx512_vnni", False),
        ("x86_64", "fpu avx2 avx_vnni", False),
        ("x86_64", "fpu avx2", True),
        ("AMD64", "fpu avx2 avx512f avx512bw", True),
        ("aarch64", "asimd asimddp", False),
        ("arm64", "", False),
    ],
)
def test_only_x86_without_vnni_saturates(
    tmp_path: Path, machine: str, flags: str, saturating: bool
) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"processor\t: 0\nflags\t\t: {flags}\n", encoding="utf-8")
    assert saturates(machine, cpuinfo_features(listed)) is saturating


def test_an_unknown_x86_is_taken_to_saturate(tmp_path: Path) -> None:
    assert cpuinfo_features(tmp_path / "nowhere") is None
    assert saturates("x86_64", None)


@pytest.mark.parametrize("machine", ["AMD64", "x86_64"])
@pytest.mark.parametrize(
    ("features", "saturating"),
    [
        ({"avx2", "avx512", "avx512vnni"}, False),
        ({"avx2", "avxvnni"}, False),
        ({"avx2", "avx512", "amx_bf16"}, True),
        (set[str](), True),
    ],
)
def test_the_compiled_kernels_are_asked_where_nothing_is_listed(
    machine: str,
    features: set[str],
    saturating: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(module, "cpu_features", lambda: frozenset(features))
    monkeypatch.setattr(module, "cpuinfo_features", lambda: None)
    assert may_saturate() is saturating


def test_the_list_is_read_where_no_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(module, "cpu_features", lambda: None)
    for listed, saturating in ((None, True), (frozenset({"avxvnni"}), False)):
        monkeypatch.setattr(module, "cpuinfo_features", lambda listed=listed: listed)
        assert may_saturate() is saturating


@pytest.mark.skipif(
    cpu_features() is None or cpuinfo_features() is None,
    reason="no compiled kernels, or no /proc/cpuinfo to compare them with",
)
def test_the_compiled_kernels_and_the_list_agree() -> None:
    machine = platform.machine()
    assert saturates(machine, cpu_features()) == saturates(machine, cpuinfo_features())
