"""Signature of a Mach-O file, compared with its content as macOS does when it loads the file.

Apple's own processors run no page of code whose digest is not in a signature. A linker's signature
("ad hoc") names nobody: it has the digest of each page alone. A program that changes a file after
its linker, as strip or install_name_tool of another system, leaves digests of what is not there.

The layout is that of `CS_SuperBlob` and `CS_CodeDirectory` in XNU's bsd/sys/codesign.h; all
numbers are big-endian.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import Final

_SUPER_BLOB: Final = 0xFADE0CC0
_CODE_DIRECTORY: Final = 0xFADE0C02
_SHA256: Final = 2


def holds(content: bytes, start: int, size: int) -> bool:
    """Return True if the signature at `start`, of `size` bytes, has the digest of every page."""
    return any(_fits(content[:start], each) for each in _directories(content[start : start + size]))


def _directories(signature: bytes) -> Iterator[bytes]:
    """Give the code directories of a signature."""
    magic, _, count = struct.unpack_from(">3I", signature)
    if magic != _SUPER_BLOB:
        return
    for number in range(count):
        _, offset = struct.unpack_from(">2I", signature, 12 + 8 * number)
        magic, length = struct.unpack_from(">2I", signature, offset)
        if magic == _CODE_DIRECTORY:
            yield signature[offset : offset + length]


def _fits(code: bytes, directory: bytes) -> bool:
    """Return True if a directory has the SHA-256 of each page of all the code before it."""
    digests, _name, _other, count, limit = struct.unpack_from(">5I", directory, 16)
    width, kind, _platform, page = struct.unpack_from(">4B", directory, 36)
    if kind != _SHA256 or limit != len(code) or count != -(-limit >> page):
        return False
    pages = (code[first : first + (1 << page)] for first in range(0, limit, 1 << page))
    own = b"".join(hashlib.sha256(each).digest()[:width] for each in pages)
    return own == directory[digests : digests + width * count]
