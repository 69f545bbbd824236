"""Stream of images: the rows of `embed_images`, a block at a time, in bounded memory."""

import io
import logging
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from half_demo import half_demo

import twinlens
from twinlens import Model
from twinlens.demo.samples import bundled_drawings
from twinlens.embedding.image_embedder import IMAGES_A_THREAD, IMAGES_AT_ONCE
from twinlens.errors import BundleError, ImageError
from twinlens.images.named_image import NamedImage

BAD = b"not a picture"


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    return [drawing.path for drawing in bundled_drawings()[:21]]


def threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    # A service that other tests share keeps its threads.
    return [name for name in names if name.startswith("twinlens") and name != "twinlens-serving"]


@pytest.mark.parametrize("size", [1, 4, 7, 21, 1000])
def test_blocks_are_the_rows_in_their_order(model: Model, pictures: list[Path], size: int) -> None:
    found = list(model.stream_images(iter(pictures), block=size))
    assert [len(block) for block in found[:-1]] == [size] * (len(found) - 1)
    rows = np.concatenate([block.rows for block in found])
    np.testing.assert_array_equal(rows, model.embed_images(pictures))
    assert [name for block in found for name in block.names] == [str(path) for path in pictures]
    assert np.concatenate([block.indices for block in found]).tolist() == list(range(21))
    assert list(model.stream_images([])) == []


@pytest.mark.parametrize("count", range(1, 19))
def test_few_or_many_images_embed_the_same(model: Model, pictures: list[Path], count: int) -> None:
    one_thread = twinlens.load("demo", device="cpu", threads=1)
    np.testing.assert_array_equal(
        model.embed_images(pictures[:count]), one_thread.embed_images(pictures[:count])
    )


def test_skipped_ones_are_lost_with_their_reasons_and_nan_keeps_their_place(
    model: Model, pictures: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    images = [pictures[0], NamedImage("a.tar/b.jpg", BAD), pictures[1], "nowhere.png"]
    with caplog.at_level(logging.WARNING):
        (block,) = model.stream_images(images, on_error="skip")
    assert block.indices.tolist() == [0, 2]
    assert not np.isnan(block.rows).any()
    assert [(lost.index, lost.name) for lost in block.lost] == [
        (1, "a.tar/b.jpg"),
        (3, "nowhere.png"),
    ]
    assert block.lost[0].reason.startswith("image 1 (a.tar/b.jpg): 13 bytes is no image")
    assert block.lost[1].reason.startswith("image 3: nowhere.png cannot be opened")
    assert all(lost.reason in caplog.text for lost in block.lost)
    (block,) = model.stream_images(images, on_error="nan")
    assert np.isnan(block.rows).all(axis=1).tolist() == [False, True, False, True]
    assert [lost.index for lost in block.lost] == [1, 3]


def test_of_bad_images_alone_nothing_but_their_reasons_is_left(model: Model) -> None:
    (block,) = model.stream_images([BAD] * 40, on_error="skip")
    assert (len(block), len(block.lost)) == (0, 40)
    assert block.rows.shape == (0, model.width)


def test_blocks_before_a_bad_image_are_given(model: Model, pictures: list[Path]) -> None:
    stream = model.stream_images([*pictures[:9], BAD, *pictures], block=4)
    assert [next(stream).names[0], next(stream).names[0]] == [str(pictures[0]), str(pictures[4])]
    with pytest.raises(ImageError, match="image 9: 13 bytes is no image"):
        next(stream)
    assert threads() == []


def test_images_are_let_go_as_they_are_embedded(model: Model) -> None:
    """Of a thousand arrays a few dozen live: decoded images do not pile up before the tower."""
    living = most = 0

    class Pixels(np.ndarray):  # type: ignore[type-arg]
        """An array whose end can be watched."""

    def gone() -> None:
        nonlocal living
        living -= 1

    def many() -> Iterator[np.ndarray]:  # type: ignore[type-arg]
        nonlocal living, most
        for _ in range(1000):
            image = np.zeros((8, 8, 3), dtype=np.uint8).view(Pixels)
            weakref.finalize(image, gone)
            living += 1
            most = max(most, living)
            yield image
            del image

    counted = sum(len(block) for block in model.stream_images(many(), block=16))
    assert counted == 1000
    assert most <= 4 * 2 * IMAGES_A_THREAD + IMAGES_AT_ONCE + 2


def test_the_reading_waits_for_the_blocks_to_be_taken(model: Model, pictures: list[Path]) -> None:
    read = 0

    def many() -> Iterator[Path]:
        nonlocal read
        while True:
            read += 1
            yield pictures[0]

    stream = model.stream_images(many(), block=8)
    assert read == 0
    for taken in range(1, 6):
        next(stream)
        assert read <= 8 * taken + 4 * 2 * IMAGES_A_THREAD
    stream.close()
    assert threads() == []


def test_several_streams_at_once_give_what_each_gives_alone(
    model: Model, pictures: list[Path]
) -> None:
    wanted = model.embed_images(pictures)
    streams = [model.stream_images(pictures, block=4) for _ in range(3)]
    found = [[next(stream).rows for stream in streams] for _ in range(6)]
    for place in range(3):
        np.testing.assert_array_equal(np.concatenate([row[place] for row in found]), wanted)
    del streams
    assert threads() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"on_error": "ignore"}, "on_error is 'ignore'"), ({"block": 0}, "block is 0")],
)
def test_arguments_are_checked_before_the_first_block(
    model: Model, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.stream_images([], **arguments)  # type: ignore[arg-type]


def test_a_tower_that_was_replaced_after_opening_is_not_opened_again(
    uncalibrated: Path, pictures: list[Path]
) -> None:
    opened = twinlens.load(uncalibrated, device="cpu", threads=2)
    tower = uncalibrated / "onnx/vision_model_int8.onnx"
    tower.write_bytes((half_demo() / "onnx/vision_model_fp16.onnx").read_bytes())
    with pytest.raises(BundleError, match="was changed after the export"):
        opened.embed_images(pictures)


@pytest.mark.parametrize("n", [1, 40])
def test_a_file_whose_read_embeds_another_is_read(
    model: Model, pictures: list[Path], n: int
) -> None:
    content = pictures[0].read_bytes()

    class Lazy(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            model.embed_images([io.BytesIO(content)])
            return super().read(size)

    rows = model.embed_images([Lazy(content) for _ in range(n)])
    np.testing.assert_allclose(rows, model.embed_images([content] * n), atol=1e-6)


@pytest.mark.parametrize("of_list", [True, False])
def test_a_file_whose_read_embeds_itself_is_an_error_not_a_deadlock(
    model: Model, pictures: list[Path], of_list: bool
) -> None:
    content = pictures[0].read_bytes()

    class Selfish(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            model.embed_images([self] if of_list else iter([self]))
            return super().read(size)

    with pytest.raises(ImageError, match="the Selfish is read while it is being read"):
        model.embed_images([Selfish(content)] if of_list else iter([Selfish(content)]))
    assert threads() == []
