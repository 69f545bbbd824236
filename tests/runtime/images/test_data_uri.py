"""Base64 and data URIs, as services receive them."""

import base64
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
from odd_images.makers import encoded, ramps

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.data_uri import from_base64, from_data_uri
from twinlens.images.limits import Limits
from twinlens.images.load import load

# The tail gives both characters that differ between the alphabets.
CONTENT = encoded(ramps(), "PNG") + b"\xff\xfb\xfe"
BASE64 = base64.b64encode(CONTENT).decode()


@pytest.mark.parametrize(
    "text",
    [
        BASE64,
        BASE64.encode(),
        BASE64.rstrip("="),
        base64.urlsafe_b64encode(CONTENT).decode(),
        base64.encodebytes(CONTENT).decode(),
        f"  {BASE64}\r\n",
    ],
)
def test_base64_of_every_kind_is_read(text: str | bytes) -> None:
    assert from_base64(text) == CONTENT


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{BASE64}",
        f"DATA:image/png;name=a.png;BASE64,{BASE64}",
        f"data:;base64,{BASE64}",
        f"data:image/png;base64,{BASE64.replace('+', '%2B').replace('/', '%2F')}",
        f"data:image/png,{quote_from_bytes(CONTENT)}",
    ],
)
def test_data_uris_of_every_kind_are_read(uri: str) -> None:
    assert from_data_uri(uri) == CONTENT


def test_the_decoded_bytes_are_an_image() -> None:
    spec = ImageSpec(side_px=8)
    pixels = load(from_data_uri(f"data:image/png;base64,{BASE64}"), spec)
    np.testing.assert_array_equal(pixels, load(ramps(), spec))


@pytest.mark.parametrize("text", ["abc$", "ä", "a", b"\xff"])
def test_what_is_not_base64_is_refused(text: str | bytes) -> None:
    with pytest.raises(ImageError, match="the text is not base64: "):
        from_base64(text)


@pytest.mark.parametrize("uri", ["", "photo.jpg", "data:", "http://example.org/a,b", BASE64])
def test_what_is_no_data_uri_is_refused(uri: str) -> None:
    with pytest.raises(ImageError, match=r"is no data URI; one looks like data:image/png;base64"):
        from_data_uri(uri)


def test_what_is_too_large_is_refused_before_it_is_decoded() -> None:
    limits = Limits(max_bytes=50)
    with pytest.raises(ImageError, match="the text holds more than 50 bytes"):
        from_base64("$" * 1000, limits=limits)
    for uri in ("data:;base64," + "$" * 1000, "data:," + "%" * 1000):
        with pytest.raises(ImageError, match="the text holds more than 50 bytes"):
            from_data_uri(uri, limits=limits)
