"""The build of the package: the reason of a failure, the wishes, the description for an index."""

import re
from pathlib import Path

import pytest
import twinlens_metadata
import twinlens_wishes

ROOT = Path(__file__).parents[2]
NO_COMPILER = """\
*** Configuring CMake...
CMake Error at /usr/share/cmake/CMakeDetermineCXXCompiler.cmake:47 (message):
  Could not find compiler set in environment variable CXX:

  /nonexistent.

Call Stack (most recent call first):
  CMakeLists.txt:2 (project)

CMake Error: CMAKE_CXX_COMPILER not set, after EnableLanguage
"""
GNU = """\
[3/34] Building CXX object CMakeFiles/_native.dir/src/search/isa/avx2.cpp.o
FAILED: CMakeFiles/_native.dir/src/search/isa/avx2.cpp.o
/tmp/src/search/scan.hpp:12:10: fatal error: immintrin.h: No such file or directory
/tmp/src/search/scan.hpp:14:10: error: another
ninja: build stopped: subcommand failed.
"""
MSVC = "scan.hpp(12): error C2065: 'x': undeclared identifier\r\nNMAKE : fatal error U1077\r\n"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            NO_COMPILER,
            "Could not find compiler set in environment variable CXX: /nonexistent",
        ),
        (
            GNU,
            "/tmp/src/search/scan.hpp:12:10: fatal error: immintrin.h: No such file or directory",
        ),
        (MSVC, "scan.hpp(12): error C2065: 'x': undeclared identifier"),
        (
            "ninja: build stopped",
            "the compiler printed no error; `pip install -v` shows its output",
        ),
    ],
)
def test_the_reason_is_the_first_error(output: str, reason: str) -> None:
    assert twinlens_wishes.first_error(output) == reason


def test_a_long_error_is_cut() -> None:
    told = twinlens_wishes.first_error("a.cpp:1: error: " + "template<" * 200)
    assert len(told) == twinlens_wishes.LONGEST
    assert told.endswith("...")


def test_wishes_are_understood_or_refused() -> None:
    assert not twinlens_wishes.is_pure({})
    assert twinlens_wishes.is_pure({"TWINLENS_PURE": "1"})
    assert twinlens_wishes.is_required({"TWINLENS_NATIVE": "required", "TWINLENS_PURE": "0"})
    with pytest.raises(SystemExit, match=r"^twinlens: TWINLENS_NATIVE is 'true', wanted required"):
        twinlens_wishes.is_required({"TWINLENS_NATIVE": "true"})
    with pytest.raises(SystemExit, match=r"^twinlens: TWINLENS_PURE is 'yes', wanted 1 or 0"):
        twinlens_wishes.is_pure({"TWINLENS_PURE": "yes"})
    with pytest.raises(SystemExit, match="exclude each other; unset one"):
        twinlens_wishes.is_pure({"TWINLENS_PURE": "1", "TWINLENS_NATIVE": "required"})


def test_the_description_on_an_index_has_no_link_to_a_file_of_the_clone() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!#)([^)]+)\)", twinlens_metadata.description(readme, ""))
    assert [target for target in linked if not target.startswith("https://")] == []
    there = twinlens_metadata.description(readme, "https://example.org/twinlens")
    assert "](https://example.org/twinlens/blob/main/CONTRIBUTING.md)" in there
    assert "![" in there
    assert set(re.findall(r"!\[[^\]]*\]\((\S+?/raw/main/)", there)) == {
        "https://example.org/twinlens/raw/main/"
    }
    assert "<!--" not in there
