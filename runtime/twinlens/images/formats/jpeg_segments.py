"""Segments of a JPEG: where the first scan is, how many scans there are, and if the last one ends.

libjpeg decodes the whole image once for each scan of a progressive JPEG. A scan that says nothing
new takes a dozen bytes, so that a megabyte of them takes hours, within every other limit.
"""

import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

SOI: Final = b"\xff\xd8"
"""Start of image."""
EOI: Final = b"\xff\xd9"
"""End of image."""
SOS: Final = b"\xff\xda"
"""Start of a scan, which the coded pixels follow."""
FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a frame header: size, and number of components."""
PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of segments without a length."""
MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""In coded pixels 0xff is followed by 0 or by a restart marker, 0xd0 to 0xd7."""
MAX_SEGMENTS: Final = 100_000
"""Segments walked through; more are as good as too many scans."""
CHUNK_BYTES: Final = 1 << 16


class Scans(NamedTuple):
    """The scans of a JPEG, as far as its headers tell."""

    start: int
    """Offset of the first scan."""
    several: bool
    """False if the first one holds all components of a sequential image: no other is decoded."""


def first_scan(file: BinaryIO, start: int = 0) -> Scans | None:
    """Return where the scans of a JPEG begin, or None if no whole header comes before them.

    Reads the headers only. The JPEG begins at `start` in its file.
    """
    file.seek(start)
    if file.read(2) != SOI:
        return None
    components, progressive = 0, False
    for _ in range(MAX_SEGMENTS):
        at, kind, body = _segment(file)
        if kind is None:
            return None
        if kind in FRAMES and len(body) >= 6:
            components, progressive = body[5], kind in PROGRESSIVE
        if kind == SOS[1]:
            return Scans(at, progressive or not body or body[0] < components)
    return None


def has_too_many_scans(file: BinaryIO, limit: int, start: int = 0) -> bool:
    """Return True if a JPEG has more scans than the limit; the file's position stays."""
    place = file.tell()
    try:
        return _has_too_many_scans(file, limit, start)
    finally:
        file.seek(place)


def _has_too_many_scans(file: BinaryIO, limit: int, start: int) -> bool:
    scans = first_scan(file, start)
    if scans is None or not scans.several:
        return False
    file.seek(scans.start)
    if sum(_counts(file, SOS)) <= limit:  # bytes after the end of the image may hold some too
        return False
    file.seek(scans.start)
    count = 0
    for number, kind in enumerate(_kinds(file.read())):
        count += kind == SOS[1]
        if count > limit or number > MAX_SEGMENTS:
            return True
    return False


def lacks_eoi(file: BinaryIO) -> bool:
    """Return True if the coded pixels of a JPEG never end: its EOI marker, or more, is missing."""
    file.seek(0)
    if file.read(2) != SOI:
        return False
    file.seek(-2, os.SEEK_END)
    if file.read(2) == EOI:
        return False
    scans = first_scan(file)
    if scans is None:
        return False
    file.seek(scans.start)
    return next(_counts(file, EOI), None) is None


def _segment(file: BinaryIO) -> tuple[int, int | None, bytes]:
    """Return offset, marker and the first bytes of the next segment, and pass it."""
    while byte := file.read(1):
        if byte != b"\xff":  # libjpeg passes over what is no marker
            continue
        while (byte := file.read(1)) == b"\xff":
            pass
        if byte == b"\0":
            continue
        break
    if not byte:
        return 0, None, b""
    at, kind = file.tell() - 2, byte[0]
    if kind == EOI[1]:
        return at, None, b""
    if kind in BARE:
        return at, kind, b""
    head = file.read(2)
    if len(head) < 2:
        return at, None, b""
    length = max(0, struct.unpack(">H", head)[0] - 2)
    body = file.read(min(length, 8))
    file.seek(length - len(body), 1)
    return at, kind, body


def _counts(file: BinaryIO, marker: bytes) -> Iterator[int]:
    """Yield how often a marker is in each part, of those that have it, of the rest of a file."""
    last = b""
    while chunk := file.read(CHUNK_BYTES):
        if count := (last + chunk).count(marker):
            yield count
        last = chunk[-1:]


def _kinds(content: bytes) -> Iterator[int]:
    """Yield the markers of the segments from the first scan on, until the end of the image."""
    at = 0
    while (found := MARKER.search(content, at)) is not None:
        kind = content[found.start() + 1]
        if kind == EOI[1]:
            return
        yield kind
        at = found.end()
        if kind not in BARE:
            at += max(2, int.from_bytes(content[at : at + 2], "big"))
