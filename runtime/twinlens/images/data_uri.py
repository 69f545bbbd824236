"""Pictures inside text: base64 and data URIs, as services receive them."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from twinlens.errors import ImageError
from twinlens.images.limits import LIMITS, Limits

DATA_URI: Final = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)
SPACE: Final = re.compile(r"\s+")
URL_SAFE: Final = str.maketrans("-_", "+/")


def from_base64(text: str | bytes, *, limits: Limits = LIMITS) -> bytes:
    """The bytes of a picture in base64, of either alphabet; padding and line breaks are optional.

    Raises:
        ImageError: it is not base64, or holds more than the limit.
    """
    try:
        letters = text.decode("ascii") if isinstance(text, bytes) else text
        _check_length(len(letters) * 3 // 4, limits)
        letters = SPACE.sub("", letters).rstrip("=").translate(URL_SAFE)
        padded = letters + "=" * (-len(letters) % 4)
        return base64.b64decode(padded.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error) as error:
        raise ImageError(f"the text is not base64: {error}") from error


def from_data_uri(uri: str, *, limits: Limits = LIMITS) -> bytes:
    """The bytes of a picture in a data URI (RFC 2397), whatever type it claims to be.

    Raises:
        ImageError: it is no data URI, its base64 is not, or it holds more than the limit.
    """
    head = DATA_URI.match(uri[:1000])
    if head is None:
        raise ImageError(
            f"{uri[:40]!r} is no data URI; one looks like data:image/png;base64,iVBORw0..."
        )
    body = uri[head.end() :]
    if ";base64" in head["parameters"].lower():
        return from_base64(unquote_to_bytes(body) if "%" in body else body, limits=limits)
    _check_length(len(body), limits)
    return unquote_to_bytes(body)


def _check_length(n_bytes: int, limits: Limits) -> None:
    if n_bytes > limits.max_bytes:
        raise ImageError(f"the text holds more than {limits.max_bytes:,} bytes; shrink the picture")
