"""Damaged datasets: tars, tables and folders with captions, as the runtime reads them."""

import bz2
import csv
import gzip
import io
import lzma
import os
import random
import sys
import tarfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from PIL import Image

from bench.harness.paths import ROOT

# The tests keep the mutations beside their own use of them.
sys.path.append(str(ROOT / "tests" / "kit" / "inputs"))

from mutations import mutated

MEMBERS: Final = 8
TAR_BLOCK: Final = 512
CELLS: Final = (
    "", " ", "\x00", "a" * 5000, "a" * 200_000, "\ud800", '"', "\n", "\r", "a\nb",
    "\x1b[2J", "../" * 40, "/", ".", "/dev/zero", "0", "1", "2", "nan", "None", "-", "\u202e",
    "\ufeff", "1e400", "b.png#0",
)  # fmt: skip
"""Cells of a table, names of files, captions."""
FIELDS: Final = MappingProxyType(
    {
        "name": (0, 100),
        "mode": (100, 8),
        "size": (124, 12),
        "time": (136, 12),
        "kind": (156, 1),
        "link": (157, 100),
        "magic": (257, 8),
        "prefix": (345, 155),
    }
)
"""Fields of a tar's header: offset and bytes. The checksum at 148 is made right again."""
FILLS: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType(
    {
        "size": (
            b"77777777777", b"\x80" + bytes(2) + b"\x10", b"\xff" * 12, b"00000000000",
            b"-0000000001", b"9" * 12, b"00001000000", b"\x80\x7f" + b"\xff" * 10,
        ),
        "kind": tuple(bytes((n,)) for n in b"0123456789gxLKSDMNVX\0\xff"),
        "name": (b"", b"/" * 100, b"../" * 33, b"\xff" * 100, b"a\nb.png", b".png", b"a.b.c.png"),
    }
)  # fmt: skip
"""Contents of fields that mean something; those that start with 0x80 are numbers in base 256."""
PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
)


@cache
def pictures() -> tuple[bytes, ...]:
    """Return small PNGs, all different."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(MEMBERS):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
        made.append(file.getvalue())
    return tuple(made)


@cache
def tar(tar_format: int, name: str = "key{:02}") -> bytes:
    """Return a tar of pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for number, picture in enumerate(pictures()):
            key = name.format(number)
            for suffix, content in ((".png", picture), (".txt", f"picture {number}".encode())):
                info = tarfile.TarInfo(key + suffix)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


TARS: Final = MappingProxyType(
    {
        "ustar": (tarfile.USTAR_FORMAT, "key{:02}"),
        "gnu": (tarfile.GNU_FORMAT, "long/" * 40 + "key{:02}"),
        "pax": (tarfile.PAX_FORMAT, "größe/" * 40 + "key{:02}"),
    }
)


@cache
def table(delimiter: str) -> str:
    """Return a table of pairs with labels, its pictures named."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(("image", "text", "label", "kind"))
    for number in range(MEMBERS):
        text = f"picture {number}, said to be{delimiter}right"
        writer.writerow((f"{number}.png", text, number % 2, "a"))
    return file.getvalue()


@cache
def parquet(cells: str, compression: str) -> bytes:
    """Return a Parquet file of pairs, its pictures as bytes, structs or paths."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet as pq  # noqa: PLC0415

    images: list[Any] = list(pictures())
    if cells == "structs":
        images = [{"bytes": p, "path": f"{n}.png"} for n, p in enumerate(images)]
    elif cells == "paths":
        images = [f"{number}.png" for number in range(MEMBERS)]
    texts = [f"picture {number}" for number in range(MEMBERS)]
    rows = pa.table({"image": images, "text": texts, "label": [n % 2 for n in range(MEMBERS)]})
    file = io.BytesIO()
    pq.write_table(rows, file, compression=compression, row_group_size=4)
    return file.getvalue()


def beside(folder: Path, *, captions: bool = False) -> None:
    """Write the pictures that tables name, and a caption beside each if asked."""
    for number, picture in enumerate(pictures()):
        (folder / f"{number}.png").write_bytes(picture)
        if captions:
            (folder / f"{number}.txt").write_text(f"picture {number}")


def members_of(kind: str) -> dict[str, bytes]:
    """Return the pictures of an undamaged tar by the end of their names."""
    _, name = TARS[kind]
    return {name.format(n) + ".png": picture for n, picture in enumerate(pictures())}


def headers(archive: bytes) -> list[int]:
    """Return the offsets of a tar's headers."""
    found, at = [], 0
    while at + TAR_BLOCK <= len(archive) and archive[at]:
        found.append(at)
        size = int(archive[at + 124 : at + 136].strip(b"\0 ") or b"0", 8)
        at += TAR_BLOCK * (1 + -(-size // TAR_BLOCK))
    return found


def flipped(content: bytes, rng: random.Random, first: int, last: int) -> bytes:
    """Flip one bit of the bytes from `first` to before `last`."""
    damaged = bytearray(content)
    damaged[rng.randrange(first, last)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def with_field(archive: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Write something hostile into one field of a header, whose checksum stays right."""
    at, field = rng.choice(headers(archive)), rng.choice(list(FIELDS))
    place, size = FIELDS[field]
    plain = (b"\0" * size, b"\xff" * size, b"7" * size, rng.randbytes(size))
    fills = FILLS.get(field, plain)
    damaged = bytearray(archive)
    damaged[at + place : at + place + size] = rng.choice(fills)[:size].ljust(size, b"\0")
    damaged[at + 148 : at + 156] = b" " * 8
    damaged[at + 148 : at + 156] = b"%06o\0 " % sum(damaged[at : at + TAR_BLOCK])
    return field, bytes(damaged)


def byte_damage(content: bytes, rng: random.Random) -> bytes:
    """Return a file with one to four kinds of damage, pieces of tars and tables among them."""
    others = [tar(tarfile.USTAR_FORMAT), parquet("bytes", "none"), table(",").encode()]
    return mutated(content, others, rng)


def hostile_table(delimiter: str, rng: random.Random) -> bytes:
    """Return a table with a few hostile cells, or another encoding, or rows of other lengths."""
    rows = list(csv.reader(io.StringIO(table(delimiter), newline=""), delimiter=delimiter))
    for _ in range(rng.choice((1, 1, 2, 5))):
        row = rng.choice(rows)
        way = rng.randrange(4)
        if way == 0 and row:
            row.pop()
        elif way == 1:
            row.append(rng.choice(CELLS))
        elif row:
            row[rng.randrange(len(row))] = rng.choice(CELLS)
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    return file.getvalue().encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")


def hostile_listing(rng: random.Random) -> bytes:
    """Return a captions.txt with a few hostile lines."""
    lines = [f"{number}.png#{number % 3}\tpicture {number}" for number in range(MEMBERS)]
    for _ in range(rng.choice((1, 2, 5))):
        line = rng.randrange(len(lines))
        way = rng.randrange(3)
        cell = rng.choice(CELLS)
        lines[line] = (f"{cell}\tx", f"{line}.png\t{cell}", cell)[way]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def hostile_entry(folder: Path, rng: random.Random) -> str:
    """Put something into a folder that is no picture and no caption."""
    number = rng.randrange(MEMBERS)
    picture, caption = folder / f"{number}.png", folder / f"{number}.txt"
    path = rng.choice((picture, caption))
    way = rng.choice(("fifo", "directory", "loop", "device", "empty", "bytes", "long", "odd name"))
    if way == "odd name":
        name = rng.choice(
            ("a\nb.png", "\udcff.png", "a\x1b[2J.png", " .png", ".png", "x" * 250 + ".png")
        )
        (folder / name).write_bytes(pictures()[0])
        return way
    path.unlink(missing_ok=True)
    if way == "fifo":
        os.mkfifo(path)
    elif way == "directory":
        path.mkdir()
    elif way == "loop":
        path.symlink_to(path)
    elif way == "device":
        path.symlink_to("/dev/zero")
    elif way == "long":
        path.write_text("picture " * 1_000_000)
    else:
        path.write_bytes(b"" if way == "empty" else rng.randbytes(100))
    return f"{way} as a {'picture' if path == picture else 'caption'}"
