"""Reading of a library of any system."""

from bench.packages.libraries import elf, macho, pe
from bench.packages.libraries.library import Library


def read(content: bytes) -> Library:
    """Return the facts of a file.

    Raises:
        ValueError: it is neither ELF, nor Mach-O, nor PE.
    """
    if content.startswith(b"\x7fELF"):
        return elf.read(content)
    if content.startswith(b"\xcf\xfa\xed\xfe"):
        return macho.read(content)
    if content.startswith(b"MZ"):
        return pe.read(content)
    raise ValueError(f"a library begins with {content[:4]!r}, wanted ELF, 64-bit Mach-O or PE")
