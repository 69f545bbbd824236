"""Facts of compiled libraries, read from files that the compiler of this machine makes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("elftools")
pytest.importorskip("macholib")
pytest.importorskip("pefile")

from bench.packages import libraries

COMPILER = shutil.which("c++")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="makes ELF files by a compiler"
)
OWN_MEMORY = """
#include <cstdlib>
#include <new>
void *operator new(std::size_t bytes) { return std::malloc(bytes); }
void operator delete(void *memory) noexcept { std::free(memory); }
int *numbers() { return new int(3); }
"""


@pytest.mark.parametrize(
    ("source", "options", "own"),
    [
        (OWN_MEMORY, (), False),
        (OWN_MEMORY, ("-Wl,-Bsymbolic",), True),
        (OWN_MEMORY, ("-fvisibility=hidden", "-Wl,--exclude-libs,ALL"), False),
        ("int *numbers() { return new int(3); }", (), True),
    ],
)
def test_an_operator_new_that_another_library_may_serve_is_a_fault(
    source: str, options: tuple[str, ...], own: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.cpp").write_text(source)
    command = [str(COMPILER), "-shared", "-fPIC", *options, "-o", "a.so", "a.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = libraries.read((tmp_path / "a.so").read_bytes())
    assert found.own_memory is own
    faults = libraries.faults("twinlens-0.1.0-cp311-cp311-manylinux_2_17_x86_64.whl", found)
    assert any("-Bsymbolic" in fault for fault in faults) is not own
