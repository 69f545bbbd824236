"""Cures for what is given as an image and is none, told by its first characters or bytes."""

import os
import re
from typing import Final

from twinlens.dataframes import is_missing
from twinlens.images.limits import Limits

URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
BASE64: Final = re.compile(r"[A-Za-z0-9+/_\s-]{100,}=*\s*")
BASE64_CHARACTERS: Final = 4096
"""Characters looked at: a path is never longer."""
PATH_BYTES: Final = 4096
FTYP: Final = b"ftyp"
HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"})
"""Brands of HEIC files; that of AVIF, which Pillow reads, is not one of them."""
HEIF_CURE: Final = (
    "it is HEIC: pip install pillow-heif, call pillow_heif.register_heif_opener(), "
    "and give Limits(formats=(..., 'HEIF'))"
)
WANTED_ARRAY: Final = "[H, W], [H, W, 3] or [H, W, 4]"


def cure_of_path(path: str) -> str:
    """Return the cure for a str that cannot be opened as a path, or ""."""
    return _cure_of_link(path) or _cure_of_name(path)


def _cure_of_link(path: str) -> str:
    if path[:5].lower() == "data:":
        return "; a str is a path: decode a data URI with twinlens.from_data_uri"
    if URL.match(path):
        return "; a str is a path: fetch the URL and give the bytes"
    if path.startswith("~"):
        return "; expand ~ with os.path.expanduser"
    if BASE64.fullmatch(path[:BASE64_CHARACTERS]):
        return "; a str is a path: decode base64 with twinlens.from_base64"
    return ""


def _cure_of_name(path: str) -> str:
    if os.path.isdir(path):  # noqa: PTH112  a name need not be a Path
        return "; it is a folder: twinlens.read_images names the pictures in it"
    if not re.search(r"[./\\]", path):
        return "; a str is the path of a picture, not words"
    if os.sep != "\\" and "\\" in path:
        return "; write / in place of \\ on this system"
    return ""


def cure_of_content(head: bytes, limits: Limits) -> str:
    """Return the cure for bytes of no known format, or "".

    Args:
        head: the first 4096 bytes, or all.
        limits: the formats that are known.
    """
    if head[4:8] == FTYP and head[8:12] in HEIF_BRANDS and "HEIF" not in limits.formats:
        return f"; {HEIF_CURE}"
    if not 0 < len(head) < PATH_BYTES or not head.isascii():
        return ""
    text = head.decode("ascii")
    if given := _cure_of_link(text):
        return given.replace("a str is a path: ", "")
    if text.isprintable() and ("/" in text or re.search(r"\.\w{2,5}$", text)):
        return "; bytes are an image's content: of a path in bytes give os.fsdecode(path)"
    return ""


def cure_of_object(thing: object) -> str:
    """Return the cure for an object that is nothing image-like."""
    if is_missing(thing):
        return "leave out what is missing"
    if isinstance(thing, dict) and "bytes" in thing:
        return "give its 'bytes'"
    if hasattr(thing, "numpy"):
        return f"give thing.numpy() as uint8 {WANTED_ARRAY}"
    if hasattr(thing, "__array__"):
        return f"give np.asarray(thing) as uint8 {WANTED_ARRAY}"
    return "give a path, bytes, a PIL image or a uint8 array [H, W, 3]"
