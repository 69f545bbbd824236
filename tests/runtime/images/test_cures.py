"""Messages about what is no image: short, and with the cure."""

import base64
import io
import os
import socket
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from odd_images.makers import encoded
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.decoder import Decoder
from twinlens.images.load import load
from twinlens.images.pixel_options import PixelOptions

SMALL = ImageSpec(side_px=16)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
BASE64 = base64.b64encode(bytes(range(256)) * 800).decode()


class Upload:
    """Upload of a web framework: its methods are coroutines."""

    filename = "dog.jpg"

    def __init__(self, content: bytes) -> None:
        self.file = io.BytesIO(content)

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)


class Lines(io.RawIOBase):
    def read(self, _size: int = -1) -> str:  # type: ignore[override]
        return "text"


class Tensor:
    def numpy(self) -> object:
        return None


class Broken(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise RuntimeError("no path\nhere")


class Nameless(io.BytesIO):
    @property
    def name(self) -> str:
        raise RuntimeError("no name")


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ("data:image/png;base64," + BASE64, r"decode a data URI with twinlens\.from_data_uri$"),
        (BASE64, r"decode base64 with twinlens\.from_base64$"),
        (BASE64.encode()[:4000], r"decode base64 with twinlens\.from_base64$"),
        ("https://example.org/a.jpg", "fetch the URL and give the bytes$"),
        ("s3://bucket/a.jpg", "fetch the URL and give the bytes$"),
        (b"https://example.org/a.jpg", "fetch the URL and give the bytes$"),
        ("a dog", "a str is the path of a picture, not words$"),
        ("", "an empty path cannot be opened: "),
        (
            str(Path(__file__).parent),
            r"it is a folder: twinlens\.read_images names the pic",
        ),
        (r"photos\dog.jpg", r"write / in place of \\ on this system$"),
        (b"a dog", r"5 bytes is no image that can be decoded; known are [A-Z, ]+$"),
        (None, "a NoneType is not an image; leave out what is missing$"),
        (float("nan"), "a float is not an image; leave out what is missing$"),
        ("~/a.jpg", r"expand ~ with os\.path\.expanduser$"),
        (b"photos/dog.jpg", r"of a path in bytes give os\.fsdecode\(path\)$"),
        (HEIC, r"pip install pillow-heif, call pillow_heif\.register_heif_opener\(\)"),
        (Upload(b""), r"give its \.file, or the bytes of `await upload\.read\(\)`$"),
        (Lines(), "gives str, not bytes; open it in mode 'rb'$"),
        (Tensor(), r"give thing\.numpy\(\) as uint8 \[H, W\], \[H, W, 3\] or \[H, W, 4\]$"),
        (np.float32(3), r"give np\.asarray\(thing\) as uint8"),
        ({"bytes": b"", "path": None}, "give its 'bytes'$"),
        (Broken(), r"the Broken has no path or name: no path\\nhere$"),
        (Nameless(), r"the Nameless has no path or name: no name$"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_the_cure_is_told_in_one_short_line(given: object, cure: str) -> None:
    with pytest.raises(ImageError, match=cure) as caught:
        load(given, SMALL)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("thing", [Broken(), Nameless(), Upload(b""), None, {}, object()])
def test_whatever_is_given_becomes_a_result_of_the_stream(thing: object) -> None:
    decode = Decoder(spec=SMALL, pixels=PixelOptions())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = decode((7, thing))  # type: ignore[arg-type]
    assert isinstance(result.pixels, ImageError)
    assert result.name == "image 7"


def test_a_directory_entry_of_bytes_is_read(photo: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(photo, "PNG"))
    (tmp_path / "b.png").write_bytes(b"bad")
    good, bad = sorted(os.scandir(os.fsencode(tmp_path)), key=lambda entry: entry.name)
    np.testing.assert_array_equal(load(good, SMALL), load(photo, SMALL))  # type: ignore[arg-type]
    decode = Decoder(spec=SMALL, pixels=PixelOptions())
    result = decode((0, bad))  # type: ignore[arg-type]
    assert isinstance(result.pixels, ImageError)
    assert result.name == str(tmp_path / "b.png")


def test_a_name_with_control_characters_stays_one_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines\x1b[31m.png"
    path.write_bytes(b"bad")
    decode = Decoder(spec=SMALL, pixels=PixelOptions())
    for given in (path, tmp_path / "no\nfile", str(tmp_path / ("x" * 200))):
        result = decode((0, given))
        assert isinstance(result.pixels, ImageError)
        assert str(result.pixels).isprintable()
        assert result.name == str(given)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "link to a pipe"])
def test_what_is_no_regular_file_is_refused_at_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    if kind == "device":
        path = Path("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
            server.bind(path.name)
    else:
        os.mkfifo(path)
    if kind.startswith("link"):
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with pytest.raises(ImageError, match="is no regular file; read it and give the bytes"):
        load(path, SMALL)


def test_a_member_of_a_tar_that_is_read_as_a_stream_is_read(
    photo: Image.Image, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(encoded(photo, "PNG"))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "a.png", "a.png")
    with tarfile.open(tmp_path / "a.tar", "r|") as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            np.testing.assert_array_equal(load(file, SMALL), load(photo, SMALL))  # type: ignore[arg-type]
