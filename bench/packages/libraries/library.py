"""Facts of a compiled library."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Facts of a library.

    Attributes:
        processor: by the name that its format has for it.
        imported: names of the libraries that it asks for.
        exported: names of the functions and data that other libraries of a process may see, as C
            has them.
        oldest: newest version of glibc's symbols, or the oldest macOS, that it asks for.
        relocated: True if its code is changed when it is loaded, which hardened systems refuse.
        signed: False for a Mach-O file whose signature is missing or of other content: Apple's own
            processors refuse it.
    """

    processor: str
    imported: frozenset[str]
    exported: frozenset[str]
    oldest: str
    relocated: bool
    signed: bool = True


def newest(versions: Iterable[str]) -> str:
    """Return the newest of some versions; "" if there is none."""
    return max(versions, key=numbers, default="")


def numbers(version: str) -> list[int]:
    """Return the numbers in a version such as GLIBC_2.17."""
    return [int(number) for number in re.findall(r"\d+", version)]
