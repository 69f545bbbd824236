"""Which processors need care with 8-bit products."""

from pathlib import Path

import pytest

from twinlens.ort.cpu_features import may_saturate


@pytest.mark.parametrize(
    ("machine", "flags", "saturates"),
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
    tmp_path: Path, machine: str, flags: str, saturates: bool
) -> None:
    description = tmp_path / "cpuinfo"
    description.write_text(f"processor\t: 0\nflags\t\t: {flags}\n", encoding="utf-8")
    assert may_saturate(machine=machine, description=description) is saturates


def test_an_unknown_x86_is_taken_to_saturate(tmp_path: Path) -> None:
    assert may_saturate(machine="x86_64", description=tmp_path / "nowhere")
