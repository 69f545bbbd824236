"""Facts of compiled libraries, read from files that compilers make here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("elftools")
pytest.importorskip("macholib")
pytest.importorskip("pefile")

from bench.harness.paths import ROOT
from bench.packages.libraries import export_trie
from bench.packages.libraries.faults import faults_of
from bench.packages.libraries.read import read

COMPILER = shutil.which("c++")
WHEELS = {
    "manylinux": "twinlens-0.1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
    "macosx": "twinlens-0.1.0-cp312-abi3-macosx_11_0_arm64.whl",
    "win": "twinlens-0.1.0-cp312-abi3-win_amd64.whl",
}
ENTRY = """
#if defined(_WIN32)
#define SHOWN __declspec(dllexport)
extern "C" int DllMainCRTStartup(void *, unsigned, void *) { return 1; }
#else
#define SHOWN __attribute__((visibility("default")))
#endif
extern "C" SHOWN int *PyInit__native() { return new int(3); }
"""
OWN_MEMORY = """
#include <cstdlib>
#include <new>
void *operator new(std::size_t bytes) { return std::malloc(bytes); }
void operator delete(void *memory) noexcept { std::free(memory); }
"""
STRAY = 'extern "C" SHOWN int stray() { return 3; }'


@pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="makes ELF files by a compiler"
)
@pytest.mark.parametrize(
    ("source", "options", "exported"),
    [
        (ENTRY, (), {"PyInit__native"}),
        (ENTRY + OWN_MEMORY, (), {"PyInit__native", "_Znwm", "_ZdlPv"}),
        (ENTRY + OWN_MEMORY, ("-fvisibility=hidden",), {"PyInit__native", "_Znwm", "_ZdlPv"}),
        (
            ENTRY + OWN_MEMORY,
            (f"-Wl,--version-script={ROOT / 'kernels' / 'src' / 'exports.map'}",),
            {"PyInit__native"},
        ),
    ],
)
def test_an_operator_new_that_another_library_may_serve_is_a_fault(
    source: str, options: tuple[str, ...], exported: set[str], tmp_path: Path
) -> None:
    (tmp_path / "a.cpp").write_text(source)
    command = [str(COMPILER), "-shared", "-fPIC", *options, "-o", "a.so", "a.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = read((tmp_path / "a.so").read_bytes())
    assert found.exported == exported
    faults = faults_of(WHEELS["manylinux"], found)
    assert any("exports 2 names" in each for each in faults) == ("_Znwm" in exported)


@pytest.mark.skipif(os.name == "nt", reason="the files have names of Linux")
@pytest.mark.parametrize(
    ("system", "zig"), [("macosx", "aarch64-macos.11.0"), ("win", "x86_64-windows-gnu")]
)
def test_exports_are_read_of_every_system(system: str, zig: str, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    entry = ENTRY.replace("new int(3)", "nullptr")
    for name, source in (("own", entry), ("stray", entry + STRAY)):
        (tmp_path / f"{name}.cpp").write_text(source)
        command = [sys.executable, "-m", "ziglang", "cc", "-target", zig, "-shared", "-s"]
        # Without the C library, which zig would compile for minutes.
        command += ["-O2", "-nostdlib", "-fno-exceptions", f"{name}.cpp", "-o", f"{name}.so"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    own, stray = (read((tmp_path / f"{name}.so").read_bytes()) for name in ("own", "stray"))
    assert own.exported == {"PyInit__native"}
    assert stray.exported == {"PyInit__native", "stray"}
    told = "it exports 1 names that are none of its own, as stray"
    assert told not in faults_of(WHEELS[system], own)
    assert told in faults_of(WHEELS[system], stray)


def test_a_trie_has_the_names_at_its_nodes_and_not_the_parts_between() -> None:
    # "_a" is a name, and begins the two others; a node lies 130 bytes away: two bytes of a number.
    root = b"\0\1_\0\5"
    first = b"\0\1a\0\x0a"
    named = b"\2\0\x10\2b\0\x82\1c\0\x86\1"
    leaves = b"\2\0\x20\0\2\0\x30\0"
    trie = root + first + named
    trie += bytes(130 - len(trie)) + leaves
    assert list(export_trie.names(trie)) == ["_a", "_ab", "_ac"]
    assert list(export_trie.names(b"")) == []
