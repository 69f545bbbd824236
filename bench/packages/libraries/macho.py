"""Library of macOS."""

from tempfile import NamedTemporaryFile
from typing import Final

from macholib.MachO import MachO

from bench.packages.libraries import export_trie, signature
from bench.packages.libraries.library import Library, newest

_VERSION_MIN_MACOSX: Final = 0x24
_BUILD_VERSION: Final = 0x32
_CODE_SIGNATURE: Final = 0x1D
_DYLD_INFO: Final = 0x22
_DYLD_INFO_ONLY: Final = 0x80000022
_DYLD_EXPORTS_TRIE: Final = 0x80000033
_OF_LINKER: Final = {"__mh_dylib_header", "__mh_bundle_header", "___dso_handle"}
"""Names of the file itself, which a linker adds."""


def read(content: bytes) -> Library:
    """Return the facts of a 64-bit Mach-O file."""
    with NamedTemporaryFile(suffix=".dylib") as file:
        file.write(content)
        file.flush()
        (header,) = MachO(file.name).headers
    oldest, signed = [], False
    exported: set[str] = set()
    for load, command, _ in header.commands:
        if load.cmd == _BUILD_VERSION:
            oldest.append(int(command.minos))
        elif load.cmd == _VERSION_MIN_MACOSX:
            oldest.append(int(command.version))
        elif load.cmd == _CODE_SIGNATURE:
            signed |= signature.holds(content, command.dataoff, command.datasize)
        elif load.cmd in (_DYLD_INFO, _DYLD_INFO_ONLY):
            end = command.export_off + command.export_size
            exported |= set(export_trie.names(content[command.export_off : end]))
        elif load.cmd == _DYLD_EXPORTS_TRIE:
            end = command.dataoff + command.datasize
            exported |= set(export_trie.names(content[command.dataoff : end]))
    return Library(
        processor=hex(header.header.cputype),
        imported=frozenset(name for *_, name in header.walkRelocatables()),
        # C's names have an underscore before them.
        exported=frozenset(name.removeprefix("_") for name in exported - _OF_LINKER),
        oldest=newest(f"{each >> 16}.{each >> 8 & 255}" for each in oldest),
        relocated=False,
        signed=signed,
    )
