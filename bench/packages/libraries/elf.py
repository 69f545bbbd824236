"""Library of Linux."""

import io
from typing import Final

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

from bench.packages.libraries.library import Library, newest

_TEXTREL: Final = 4


def read(content: bytes) -> Library:
    """Return the facts of an ELF file."""
    file = ELFFile(io.BytesIO(content))
    tags = [
        tag
        for section in file.iter_sections()
        if isinstance(section, DynamicSection)
        for tag in section.iter_tags()
    ]
    flags = sum(tag.entry.d_val for tag in tags if tag.entry.d_tag == "DT_FLAGS")
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
        exported=frozenset(
            symbol.name
            for section in file.iter_sections()
            if isinstance(section, SymbolTableSection) and section.name == ".dynsym"
            for symbol in section.iter_symbols()
            if symbol.name and symbol["st_shndx"] != "SHN_UNDEF"
        ),
        oldest=newest(version for version in versions if version.startswith("GLIBC_")),
        relocated=bool(flags & _TEXTREL) or any(tag.entry.d_tag == "DT_TEXTREL" for tag in tags),
    )
