"""Traits of a library that the name of its wheel rules out."""

import re
from collections.abc import Sequence
from typing import Final

from bench.packages.libraries.library import Library, newest, numbers

OLDEST: Final = {"manylinux": "GLIBC_2.17", "musllinux": "", "macosx": "11.0", "win": ""}
"""Newest symbols of glibc, or macOS, that a library may ask for."""
PROCESSORS: Final = {
    "x86_64": {"EM_X86_64", "0x1000007", "IMAGE_FILE_MACHINE_AMD64"},
    "arm64": {"EM_AARCH64", "0x100000c", "IMAGE_FILE_MACHINE_ARM64"},
}
"""A processor by its names in ELF, Mach-O and PE files."""
IMPORTED: Final = {
    "manylinux": r"(?:libc|libm|libpthread|libdl|librt|ld-linux-[\w-]+)\.so\.\d",
    "musllinux": r"libc\.musl-(?:x86_64|aarch64)\.so\.1",
    "macosx": r"/usr/lib/libSystem\.B\.dylib",
    "win": r"(?i:{python}|kernel32|ntdll|ucrtbase|api-ms-win-crt-[\w-]+)\.dll",
}
"""Libraries of a system that a wheel may ask for; on Windows also Python's."""
EXPORTED: Final = r"PyInit__native|RegisterCustomOps|twinlens_operators_\w+"
"""Names that a library may export: where it exports another, as operator new, another library of
the process may serve it, and unwind its exceptions."""
OF_NANOBIND: Final = r"_Z(?:NK?|T[ISV]N)8nanobind\w+"
"""nanobind's exceptions, which it exports on purpose where the linker has no list of exports."""


def faults_of(name: str, library: Library) -> list[str]:
    """Return the traits of a library that the name of its wheel rules out."""
    system = next(system for system in OLDEST if f"-{system}" in name)
    processor = "arm64" if "aarch64" in name or "arm64" in name else "x86_64"
    imported = IMPORTED[system].replace("{python}", "python3" if "-abi3-" in name else "python311")
    exported = EXPORTED if "linux" in system else f"{EXPORTED}|{OF_NANOBIND}"
    found = []
    if library.processor not in PROCESSORS[processor]:
        found.append(f"its processor is {library.processor}")
    found += [f"it imports {each}" for each in _others(library.imported, imported)]
    if others := _others(library.exported, exported):
        found.append(f"it exports {len(others)} names that are none of its own, as {others[0]}")
    if numbers(library.oldest) > numbers(OLDEST[system]):
        found.append(f"it asks for {library.oldest}")
    if library.relocated:
        found.append("its code is relocated")
    if processor == "arm64" and not library.signed:
        found.append("it has no signature of its content")
    return found


def oldest(name: str, libraries: Sequence[Library]) -> str:
    """Return the oldest system that the libraries of a wheel load on, for people."""
    asked = newest(library.oldest for library in libraries)
    if "-musllinux" in name:
        return "musl 1.2"
    if "-win" in name:
        return "Windows 10"
    return f"macOS {asked}" if "-macosx" in name else asked.replace("GLIBC_", "glibc ")


def _others(names: frozenset[str], allowed: str) -> list[str]:
    """Return the names that a pattern leaves out."""
    return sorted(name for name in names if not re.fullmatch(allowed, name))
