"""Scans of a JPEG, counted before it is decoded, and JPEGs without their end."""

import io
import struct
from typing import Any, BinaryIO

import numpy as np
import pytest
from bounded_cost import little_time_and_memory
from odd_images.makers import encoded, ramps
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images import load as loading
from twinlens.images.formats.jpeg_segments import first_scan, has_too_many_scans, lacks_eoi
from twinlens.images.kept import keep
from twinlens.images.limits import LIMITS, Limits
from twinlens.images.load import load
from twinlens.images.read_options import ReadOptions

SPEC = ImageSpec(side_px=16)
EOI = b"\xff\xd9"


def jpeg(**options: object) -> bytes:
    return encoded(ramps(320, 240), "JPEG", **options)


def last_scan(content: bytes) -> bytes:
    """Return the last scan of a JPEG, its header and its coded pixels."""
    return content[content.rindex(b"\xff\xda") : content.rindex(EOI)]


def repeated(times: int, between: bytes = b"", after: bytes = b"") -> bytes:
    plain = jpeg(progressive=True)
    return plain[:-2] + (between + last_scan(plain)) * times + EOI + after


def n_scans(content: bytes) -> int:
    """Return the least limit that lets the content pass."""
    file = io.BytesIO(content)
    return next(n for n in range(1000) if not has_too_many_scans(file, n))


def test_the_scans_of_a_progressive_jpeg_are_counted() -> None:
    plain = jpeg(progressive=True)
    n = plain.count(b"\xff\xda")
    assert n_scans(plain) == n == 10
    assert n_scans(repeated(7)) == n + 7
    assert n_scans(repeated(7, between=b"\xff\xfe\x00\x04\xff\xda")) == n + 7  # a comment
    assert n_scans(repeated(7, between=b"\xff\xff\xff")) == n + 7  # fill bytes
    assert n_scans(repeated(7, between=b"\xff\xfe\x00\x04" + EOI)) == n + 7
    assert n_scans(repeated(2, after=b"\xff\xda" * 5000)) == n + 2  # not of this image
    assert n_scans(jpeg()) == 0  # one scan of all components: the only one that is decoded


def test_scans_of_a_sequential_jpeg_are_counted_where_each_has_one_component() -> None:
    gray = encoded(ramps(64, 48).convert("L"), "JPEG")
    scan = last_scan(gray)
    frame = gray.index(b"\xff\xc0")
    # A frame that claims another component, so that one scan does not hold them all.
    length = struct.unpack(">H", gray[frame + 2 : frame + 4])[0]
    head = gray[frame : frame + 2 + length]
    two = head[:2] + struct.pack(">H", length + 3) + head[4:9] + b"\2" + head[10:] + b"\2\x11\0"
    content = gray[:frame] + two + gray[frame + 2 + length : -2] + scan * 20 + EOI
    assert n_scans(content) == 21


@pytest.mark.parametrize("given", ["bytes", "unread", "kept"])
def test_a_jpeg_of_many_scans_is_refused_in_little_time(given: str) -> None:
    content = repeated(50_000)
    image: Any = content
    if given != "bytes":
        image = Image.open(io.BytesIO(content))
    if given == "kept":
        image = keep(image, LIMITS).image
        if isinstance(image, ImageError):
            assert "has more than 100 scans" in str(image)
            return
    with (
        little_time_and_memory(),
        pytest.raises(ImageError, match="has more than 100 scans; save it anew, or raise max_sc"),
    ):
        load(image, SPEC)


def test_the_limit_is_the_most_that_is_allowed() -> None:
    content = jpeg(progressive=True)
    load(content, SPEC, read=ReadOptions(limits=Limits(max_scans=10)))
    with pytest.raises(ImageError, match="has more than 9 scans"):
        load(content, SPEC, read=ReadOptions(limits=Limits(max_scans=9)))


def test_a_jpeg_lacks_its_end_only_if_its_pixels_have_none() -> None:
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(jpeg()) + 2) + jpeg()
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        content = jpeg(**options)
        with_thumbnail = content[:2] + thumbnail + content[2:]
        for whole in (content, with_thumbnail, content + b"appended" * 100_000):
            assert not lacks_eoi(io.BytesIO(whole))
        for cut in (content[:-2], content[:-1], content[:-100], with_thumbnail[:-2]):
            assert lacks_eoi(io.BytesIO(cut))
    for other in (
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        encoded(ramps(), "PNG"),
        jpeg()[:200],
    ):
        assert not lacks_eoi(io.BytesIO(other))


def test_the_end_is_found_across_two_parts_of_the_file() -> None:
    content = jpeg(quality=95)[:-2]
    for total in range(2**16 - 4, 2**16 + 5):
        scans = first_scan(io.BytesIO(content))
        assert scans is not None
        padded = content.ljust(scans.start + total, b"x")
        assert not lacks_eoi(io.BytesIO(padded + EOI + b"more"))
        assert lacks_eoi(io.BytesIO(padded))


@pytest.mark.parametrize(
    ("tail", "decoded"), [(0, 1), (2, 2), (120, 2)], ids=["whole", "no EOI", "truncated"]
)
@pytest.mark.parametrize("progressive", [False, True])
def test_no_jpeg_is_decoded_three_times(
    tail: int, decoded: int, progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(ramps(), "JPEG", quality=95, progressive=progressive)
    seen = []
    real = loading.decode_file

    def counted(file: BinaryIO, *rest: Any) -> object:  # noqa: ANN401
        seen.append(file)
        return real(file, *rest)

    monkeypatch.setattr(loading, "decode_file", counted)
    if tail < 100:
        np.testing.assert_array_equal(
            load(content[: len(content) - tail], SPEC), load(Image.open(io.BytesIO(content)), SPEC)
        )
    else:
        with pytest.raises(ImageError, match=r"cannot be decoded: .*truncated"):
            load(content[:-tail], SPEC)
    assert len(seen) <= decoded
