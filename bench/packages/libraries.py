"""Compiled libraries of a wheel as their files tell: processor, imports, oldest system."""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any, Final

import pefile
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection
from macholib.MachO import MachO

from bench.packages import signature

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
_SYMBOLIC: Final = 2
_TEXTREL: Final = 4
_VERSION_MIN_MACOSX: Final = 0x24
_BUILD_VERSION: Final = 0x32
_CODE_SIGNATURE: Final = 0x1D


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Facts of a library.

    Attributes:
        processor: by the name that its format has for it.
        imported: names of the libraries that it asks for.
        oldest: newest version of glibc's symbols, or the oldest macOS, that it asks for.
        relocated: True if its code is changed when it is loaded, which hardened systems refuse.
        signed: False for a Mach-O file whose signature is missing or of other content: Apple's own
            processors refuse it.
        own_memory: False for an ELF file whose operator new another library of the process may
            serve: an exception of another C++ library is then unwound by this one's.
    """

    processor: str
    imported: frozenset[str]
    oldest: str
    relocated: bool
    signed: bool = True
    own_memory: bool = True


def read(content: bytes) -> Library:
    """Return the facts of a file.

    Raises:
        ValueError: it is neither ELF, nor Mach-O, nor PE.
    """
    if content.startswith(b"\x7fELF"):
        return _elf(content)
    if content.startswith(b"\xcf\xfa\xed\xfe"):
        return _macho(content)
    if content.startswith(b"MZ"):
        return _pe(content)
    raise ValueError(f"a library begins with {content[:4]!r}, wanted ELF, 64-bit Mach-O or PE")


def faults(name: str, library: Library) -> list[str]:
    """Return the traits of a library that the name of its wheel rules out."""
    system = next(system for system in OLDEST if f"-{system}" in name)
    processor = "arm64" if "aarch64" in name or "arm64" in name else "x86_64"
    allowed = IMPORTED[system].replace("{python}", "python3" if "-abi3-" in name else "python311")
    found = []
    if library.processor not in PROCESSORS[processor]:
        found.append(f"its processor is {library.processor}")
    found += [
        f"it imports {each}" for each in sorted(library.imported) if not re.fullmatch(allowed, each)
    ]
    if _numbers(library.oldest) > _numbers(OLDEST[system]):
        found.append(f"it asks for {library.oldest}")
    if library.relocated:
        found.append("its code is relocated")
    if processor == "arm64" and not library.signed:
        found.append("it has no signature of its content")
    if not library.own_memory:
        found.append("another library may serve its operator new; link it with -Bsymbolic")
    return found


def oldest(name: str, libraries: Sequence[Library]) -> str:
    """Return the oldest system that the libraries of a wheel load on, for people."""
    asked = _newest(library.oldest for library in libraries)
    if "-musllinux" in name:
        return "musl 1.2"
    if "-win" in name:
        return "Windows 10"
    return f"macOS {asked}" if "-macosx" in name else asked.replace("GLIBC_", "glibc ")


def _elf(content: bytes) -> Library:
    file = ELFFile(io.BytesIO(content))
    tags = [
        tag
        for section in file.iter_sections()
        if isinstance(section, DynamicSection)
        for tag in section.iter_tags()
    ]
    flags = sum(tag.entry.d_val for tag in tags if tag.entry.d_tag == "DT_FLAGS")
    # Both kinds of operator new, by the names that GCC and Clang give them, as they are exported.
    exported = any(
        symbol.name.startswith(("_Znw", "_Zna")) and symbol["st_shndx"] != "SHN_UNDEF"
        for section in file.iter_sections()
        if isinstance(section, SymbolTableSection) and section.name == ".dynsym"
        for symbol in section.iter_symbols()
    )
    versions = [
        version.name
        for section in file.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for _, needed in section.iter_versions()
        for version in needed
    ]
    return Library(
        processor=file["e_machine"],
        imported=frozenset(
            # An attribute that pyelftools sets by the name of the tag.
            vars(tag)["needed"]
            for tag in tags
            if tag.entry.d_tag == "DT_NEEDED"
        ),
        oldest=_newest(version for version in versions if version.startswith("GLIBC_")),
        relocated=bool(flags & _TEXTREL) or any(tag.entry.d_tag == "DT_TEXTREL" for tag in tags),
        own_memory=bool(flags & _SYMBOLIC) or not exported,
    )


def _macho(content: bytes) -> Library:
    with NamedTemporaryFile(suffix=".dylib") as file:
        file.write(content)
        file.flush()
        (header,) = MachO(file.name).headers
    oldest = [
        command.minos if load.cmd == _BUILD_VERSION else command.version
        for load, command, _ in header.commands
        if load.cmd in (_BUILD_VERSION, _VERSION_MIN_MACOSX)
    ]
    return Library(
        processor=hex(header.header.cputype),
        imported=frozenset(name for *_, name in header.walkRelocatables()),
        oldest=_newest(f"{each >> 16}.{each >> 8 & 255}" for each in map(int, oldest)),
        relocated=False,
        signed=any(
            signature.holds(content, command.dataoff, command.datasize)
            for load, command, _ in header.commands
            if load.cmd == _CODE_SIGNATURE
        ),
    )


def _pe(content: bytes) -> Library:
    # Its attributes are made of the file's own structures.
    file: Any = pefile.PE(data=content)
    tables = ("DIRECTORY_ENTRY_IMPORT", "DIRECTORY_ENTRY_DELAY_IMPORT")
    return Library(
        processor=pefile.MACHINE_TYPE[file.FILE_HEADER.Machine],
        imported=frozenset(
            entry.dll.decode() for table in tables for entry in getattr(file, table, ())
        ),
        oldest="",
        relocated=False,
    )


def _newest(versions: Iterable[str]) -> str:
    return max(versions, key=_numbers, default="")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
