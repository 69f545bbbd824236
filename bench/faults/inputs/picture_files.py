"""Damaged picture files: those that the tests draw too, and files made to cost much."""

import io
import random
import struct
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image

from bench.harness.paths import ROOT

# The tests keep the mutations beside their own use of them.
sys.path.append(str(ROOT / "tests" / "kit" / "inputs"))

from mutations import mutated, seeds

SIDES: Final = (0, 1, 7999, 8000, 8001, 65_535, 65_536, 2**31 - 1, 2**32 - 1)
"""Widths and heights that a header may claim; 8000 squared is the default limit."""
COSTLY_SHARE: Final = 0.03
PACKED_MB: Final = (1, 64)
FLAT_PX: Final = (256, 2000, 7900)
LARGE: Final = ("JPEG", "PNG", "WEBP")
LARGE_PX: Final = 2000


def prepare() -> None:
    """Make the whole files that the damaged ones are made of: seconds, outside any deadline."""
    files()
    for megabytes in PACKED_MB:
        _zeros(megabytes)
    for side_px in FLAT_PX:
        _flat_progressive(side_px)
    for file_format in LARGE:
        _large(file_format, LARGE_PX)


@cache
def files() -> dict[str, bytes]:
    """Return one small file of each kind."""
    return seeds()


def drawn(rng: random.Random, number: int) -> tuple[str, bytes]:
    """Return a kind, and a damaged file of it."""
    if rng.random() < COSTLY_SHARE:
        kind = rng.choice(list(COSTLY))
        return kind, COSTLY[kind](rng)
    kinds = list(files())
    kind = kinds[number % len(kinds)]
    return kind, mutated(files()[kind], list(files().values()), rng)


@cache
def _large(file_format: str, side_px: int) -> bytes:
    ramp = np.linspace(0, 255, side_px, dtype=np.uint8)
    pixels = np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=-1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format)
    return file.getvalue()


@cache
def _flat_progressive(side_px: int) -> bytes:
    """Return a picture of one gray: a scan of it has a few bytes, and a million blocks."""
    file = io.BytesIO()
    Image.new("L", (side_px, side_px), 100).save(file, "JPEG", progressive=True)
    return file.getvalue()


def _many_scans(rng: random.Random) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each is a pass over the pixels."""
    content = _flat_progressive(rng.choice(FLAT_PX))
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * rng.choice((100, 1000, 10_000)) + b"\xff\xd9"


def _cut_large(rng: random.Random) -> bytes:
    content = _large(rng.choice(LARGE), LARGE_PX)
    return content[: rng.randrange(len(content))]


def _chunk(kind: bytes, content: bytes) -> bytes:
    sum_ = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + sum_


@cache
def _zeros(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes << 20), 1)


def _packed_chunk(rng: random.Random) -> bytes:
    """A PNG with a chunk that unpacks to far more than the file."""
    packed, content = _zeros(rng.choice(PACKED_MB)), files()["png"]
    kind, head = rng.choice(
        ((b"iCCP", b"x\0\0"), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0"), (b"eXIf", b""))
    )
    return content[:33] + _chunk(kind, head + packed) * rng.choice((1, 1, 20)) + content[33:]


def _claimed_sides(rng: random.Random) -> bytes:
    """A PNG whose header claims other sides, its checksum made right."""
    content = files()["png"]
    sides = struct.pack(">II", rng.choice(SIDES), rng.choice(SIDES))
    rest = bytes((rng.choice((1, 8, 16)), rng.choice((0, 2, 3, 4, 6)), 0, 0, rng.choice((0, 1))))
    return content[:8] + _chunk(b"IHDR", sides + rest) + content[33:]


def _many_frames(rng: random.Random) -> bytes:
    file = io.BytesIO()
    frames = [Image.new("P", (32, 32), n % 256) for n in range(rng.choice((100, 500)))]
    file_format = rng.choice(("GIF", "PNG", "WEBP"))
    images = frames if file_format == "GIF" else [frame.convert("RGB") for frame in frames]
    images[0].save(file, file_format, save_all=True, append_images=images[1:])
    return file.getvalue()


def _much_metadata(rng: random.Random) -> bytes:
    """A JPEG with its segments of metadata filled, or thousands of empty ones."""
    marker = rng.choice((b"\xff\xe1", b"\xff\xe2", b"\xff\xed", b"\xff\xfe"))
    head = rng.choice((b"Exif\0\0II*\0\x08\0\0\0", b"ICC_PROFILE\0\1\1", b"MPF\0II*\0", b""))
    size = rng.choice((2 + len(head), 65_535))
    segment = marker + struct.pack(">H", size) + head + bytes(size - 2 - len(head))
    content = files()["jpeg"]
    return content[:2] + segment * rng.choice((1, 100, 1000)) + content[2:]


COSTLY: Final[Mapping[str, Callable[[random.Random], bytes]]] = MappingProxyType(
    {
        "many scans": _many_scans,
        "cut large file": _cut_large,
        "packed chunk": _packed_chunk,
        "claimed sides": _claimed_sides,
        "many frames": _many_frames,
        "much metadata": _much_metadata,
    }
)
