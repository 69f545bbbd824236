"""Sources that reuse or end an image when the next is drawn: every row is that of its own image."""

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from odd_images.makers import encoded
from PIL import Image, ImageSequence

from twinlens import Model, NamedImage

U8 = NDArray[np.uint8]
Source = Callable[[list[U8], Path], Iterator[Any]]
N: Final = 40


@pytest.fixture(scope="module")
def pages() -> list[U8]:
    """Pages with a coloured square in another place each."""
    colours = np.random.default_rng(7).integers(0, 256, (N, 3))
    drawn = np.full((N, 64, 64, 3), 255, dtype=np.uint8)
    for n, page in enumerate(drawn):
        page[n : n + 24, 40 - n : 64 - n] = colours[n]
    return list(drawn)


@pytest.fixture(scope="module")
def right(model: Model, pages: list[U8]) -> NDArray[np.float32]:
    return model.embed_images(pages)


def png(page: U8) -> bytes:
    return encoded(Image.fromarray(page), "PNG")


def refilled_array(pages: list[U8], _: Path) -> Iterator[Any]:
    buffer = np.empty((64, 64, 3), dtype=np.uint8)
    for page in pages:
        buffer[:] = page
        yield buffer


def view_of_a_refilled_array(pages: list[U8], _: Path) -> Iterator[Any]:
    return (NamedImage("frame", frame[::-1][::-1]) for frame in refilled_array(pages, _))


def image_upon_a_refilled_array(pages: list[U8], _: Path) -> Iterator[Any]:
    buffer = np.full((64, 64, 4), 255, dtype=np.uint8)
    image = Image.frombuffer("RGBA", (64, 64), buffer, "raw", "RGBA", 0, 1)
    for page in pages:
        buffer[:, :, :3] = page
        yield image


def refilled_bytearray(pages: list[U8], _: Path) -> Iterator[Any]:
    buffer = bytearray()
    for page in pages:
        buffer[:] = png(page)
        yield buffer


def refilled_memoryview(pages: list[U8], _: Path) -> Iterator[Any]:
    buffer = bytearray(20_000)
    for page in pages:
        content = png(page)
        buffer[: len(content)] = content
        with memoryview(buffer) as view:
            yield view[: len(content)]


def refilled_file(pages: list[U8], _: Path) -> Iterator[Any]:
    file = io.BytesIO()
    for page in pages:
        file.seek(0)
        file.truncate()
        file.write(png(page))
        yield file


def files_closed_later(pages: list[U8], folder: Path) -> Iterator[Any]:
    for n, page in enumerate(pages):
        (folder / f"{n}.png").write_bytes(png(page))
        with (folder / f"{n}.png").open("rb") as file:
            yield file


def images_closed_later(pages: list[U8], folder: Path) -> Iterator[Any]:
    for n, page in enumerate(pages):
        kind = ("PNG", "BMP", "TIFF", "WEBP")[n % 4]
        options = {"lossless": True} if kind == "WEBP" else {}
        path = folder / f"{n}.{kind.lower()}"
        path.write_bytes(encoded(Image.fromarray(page), kind, **options))
        with Image.open(path) as image:
            yield image


def frames(pages: list[U8], folder: Path) -> Iterator[Any]:
    first, *others = (Image.fromarray(page) for page in pages)
    first.save(folder / "a.png", save_all=True, append_images=others)
    with Image.open(folder / "a.png") as image:
        yield from ImageSequence.Iterator(image)


def members_of_a_tar(pages: list[U8], folder: Path) -> Iterator[Any]:
    with tarfile.open(folder / "a.tar", "w") as tar:
        for n, page in enumerate(pages):
            info = tarfile.TarInfo(f"{n}.png")
            info.size = len(png(page))
            tar.addfile(info, io.BytesIO(png(page)))
    with tarfile.open(folder / "a.tar", "r|") as tar:
        for member in tar:
            yield tar.extractfile(member)


def members_of_a_zip(pages: list[U8], folder: Path) -> Iterator[Any]:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for n, page in enumerate(pages):
            archive.writestr(f"{n:02}.png", png(page))
    with zipfile.ZipFile(folder / "a.zip") as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                yield file


def temporary_names(pages: list[U8], _: Path) -> Iterator[Any]:
    for page in pages:
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            file.write(png(page))
            file.flush()
            yield file.name


def one_name(pages: list[U8], folder: Path) -> Iterator[Any]:
    path = folder / "frame.png"
    for page in pages:
        path.write_bytes(png(page))
        yield NamedImage(str(path), path) if page is pages[0] else path


SOURCES: Final[tuple[Source, ...]] = (
    refilled_array,
    view_of_a_refilled_array,
    image_upon_a_refilled_array,
    refilled_bytearray,
    refilled_memoryview,
    refilled_file,
    files_closed_later,
    images_closed_later,
    frames,
    members_of_a_tar,
    members_of_a_zip,
    temporary_names,
    one_name,
)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_every_row_is_that_of_the_image_as_it_was_drawn(
    model: Model, pages: list[U8], right: NDArray[np.float32], source: Source, tmp_path: Path
) -> None:
    rows = model.embed_images(source(pages, tmp_path))
    np.testing.assert_allclose(rows, right, atol=1e-6)


@pytest.mark.parametrize("source", [refilled_array, temporary_names])
def test_any_iterable_that_is_no_list_is_kept(
    model: Model, pages: list[U8], right: NDArray[np.float32], source: Source, tmp_path: Path
) -> None:
    class Lazy:
        """Collection whose members are made as they are asked for."""

        def __len__(self) -> int:
            return N

        def __contains__(self, _: object) -> bool:
            return False

        def __iter__(self) -> Iterator[Any]:
            return source(pages, tmp_path)

    np.testing.assert_allclose(model.embed_images(Lazy()), right, atol=1e-6)


def test_pairs_of_a_generator_match_as_those_of_a_list(model: Model, pages: list[U8]) -> None:
    texts = [f"page {n}" for n in range(N)]
    wanted = model.match(pages, texts)
    np.testing.assert_allclose(model.match(refilled_array(pages, Path()), texts), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="40 images and 39 texts are not pairs"):
        model.match(refilled_array(pages, Path()), texts[1:])


def test_the_names_and_errors_are_those_of_a_list(model: Model, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"bad")
    given: list[Any] = [
        str(tmp_path / "bad.png"),
        tmp_path / "nowhere.png",
        b"bad",
        bytearray(b"worse"),
        NamedImage("a name", io.BytesIO(b"bad")),
        NamedImage("another", tmp_path / "nowhere.png"),
        io.BytesIO(b"bad"),
        (tmp_path / "bad.png").open("rb"),
        np.zeros((3, 40, 40), dtype=np.uint8),
        np.zeros((4, 4)),
        Image.new("F", (4, 4)),
        None,
    ]
    (listed,) = model.stream_images(given, on_error="nan")
    (drawn,) = model.stream_images(iter(given), on_error="nan")
    given[7].close()
    assert drawn.names == listed.names
    assert drawn.lost == listed.lost
    assert len(drawn.lost) == len(given)
