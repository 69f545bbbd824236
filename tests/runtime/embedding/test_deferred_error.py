"""A source that fails gives the rows of all images before it, and then its error."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from twinlens import Model
from twinlens.demo.samples import bundled_drawings
from twinlens.embedding.deferred_error import DeferredError

BEFORE = 50


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    drawings = [drawing.path for drawing in bundled_drawings()[:25]]
    return drawings * (BEFORE // len(drawings))


@pytest.mark.parametrize("on_error", ["raise", "nan", "skip"])
@pytest.mark.parametrize("block", [1, 7, 10, 1024])
@pytest.mark.parametrize("before", [0, 3, 16, BEFORE])
def test_at_every_block_size_no_row_is_lost(
    model: Model, pictures: list[Path], block: int, before: int, on_error: str
) -> None:
    def torn() -> Iterator[Path]:
        yield from pictures[:before]
        raise OSError("the disk is gone")

    found = [np.empty((0, model.width), dtype=np.float32)]
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(
            part.rows
            for part in model.stream_images(torn(), block=block, on_error=on_error)  # type: ignore[arg-type]
        )
    rows = np.concatenate(found)
    assert len(rows) == before
    np.testing.assert_array_equal(rows, model.embed_images(pictures[:before]))


def test_an_interrupt_does_not_wait(model: Model, pictures: list[Path]) -> None:
    def torn() -> Iterator[Path]:
        yield from pictures
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(model.stream_images(torn(), block=1024))


def test_an_error_is_raised_once() -> None:
    def torn() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    source = DeferredError(torn())
    assert [*source, *source] == [1]
    with pytest.raises(ValueError, match="torn"):
        source.raise_error()
    source.raise_error()
