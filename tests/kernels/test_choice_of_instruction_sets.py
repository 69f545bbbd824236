"""CMake's choice of instruction sets: a build whose kernels would be scalar is refused."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "kernels" / "src"
PROJECT = """\
cmake_minimum_required(VERSION 3.18...4.0)
project(choice LANGUAGES CXX)
set(TWINLENS_SOURCE_DIR "@SOURCES@")
include("@SOURCES@/cpu/instruction_sets.cmake")
"""
OWN = {"amd64": "x86_64", "aarch64": "arm64"}.get(
    platform.machine().lower(), platform.machine().lower()
)
OTHER = {"x86_64": "arm64", "arm64": "x86_64"}

pytestmark = [
    pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed"),
    pytest.mark.skipif(OWN not in OTHER, reason="this processor has the scalar kernels alone"),
]


def chosen(folder: Path, *settings: str) -> tuple[str, str]:
    """Return the table of sets, empty after a failure, and the messages of CMake in one line."""
    project = PROJECT.replace("@SOURCES@", SOURCES.as_posix())
    (folder / "CMakeLists.txt").write_text(project, encoding="utf-8")
    done = subprocess.run(
        ["cmake", *settings, "-S", str(folder), "-B", str(folder / "build")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    header = folder / "build" / "instruction_sets" / "cpu" / "instruction_sets.hpp"
    assert header.exists() == (done.returncode == 0), done.stderr
    table = header.read_text(encoding="utf-8") if header.exists() else ""
    return table, " ".join(done.stderr.split())


def test_a_build_for_one_processor_has_its_sets(tmp_path: Path) -> None:
    table, _ = chosen(tmp_path, f"-DCMAKE_OSX_ARCHITECTURES={OWN}")
    assert ("each(avx2," if OWN == "x86_64" else "each(neon,") in table


def test_a_build_for_two_processors_is_refused(tmp_path: Path) -> None:
    table, told = chosen(tmp_path, "-DCMAKE_OSX_ARCHITECTURES=x86_64;arm64")
    assert not table
    assert "for one processor, not for x86_64;arm64; build for each of them" in told


def test_a_compiler_for_another_processor_is_refused(tmp_path: Path) -> None:
    table, told = chosen(tmp_path, f"-DCMAKE_OSX_ARCHITECTURES={OTHER[OWN]}")
    assert not table
    assert f"the kernels would be scalar: {shutil.which('c++')}" in told
    assert "-DCMAKE_SYSTEM_PROCESSOR=" in told
