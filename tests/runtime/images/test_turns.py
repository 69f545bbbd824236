"""One read of an object at a time, strangers in parallel, and no deadlock."""

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest
from odd_images.makers import encoded
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load
from twinlens.images.turns import turn_at

SMALL = ImageSpec(side_px=16)
PATIENCE_S = 20


class Held(io.BytesIO):
    """File whose read waits for a signal."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.begun, self.go = threading.Event(), threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun.set()
        assert self.go.wait(PATIENCE_S)
        return super().read(size)


@pytest.fixture
def content(photo: Image.Image) -> bytes:
    return encoded(photo, "PNG")


def test_a_slow_upload_does_not_hold_up_a_stranger(photo: Image.Image, content: bytes) -> None:
    slow = Held(content)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(load, slow, SMALL)
        assert slow.begun.wait(PATIENCE_S)
        with Image.open(io.BytesIO(content)) as image:
            for stranger in (io.BytesIO(content), image):
                np.testing.assert_array_equal(load(stranger, SMALL), load(photo, SMALL))
        assert not waiting.done()
        slow.go.set()
        np.testing.assert_array_equal(waiting.result(PATIENCE_S), load(photo, SMALL))


def test_pil_images_are_decoded_side_by_side(content: bytes) -> None:
    together = threading.Barrier(3, timeout=PATIENCE_S)

    class Meeting(io.BytesIO):
        opened = False

        def read(self, size: int | None = -1, /) -> bytes:
            if self.opened:
                self.opened = False
                together.wait()  # passed only if three are read at once
            return super().read(size)

    files = [Meeting(content) for _ in range(3)]
    images = [Image.open(file) for file in files]
    for file in files:
        file.opened = True
    with ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(lambda image: load(image, SMALL), images))) == 3


def test_two_reads_of_one_object_take_turns() -> None:
    source, inside = object(), threading.Event()
    order = []

    def second() -> None:
        assert inside.wait(PATIENCE_S)
        with turn_at(source):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with turn_at(source):
            later = pool.submit(second)
            inside.set()
            order.append("first")
        later.result(PATIENCE_S)
    assert order == ["first", "second"]


def test_two_images_in_one_file_take_turns(photo: Image.Image, content: bytes) -> None:
    file = io.BytesIO(content)
    for _ in range(10):
        with Image.open(file) as left, Image.open(file) as right, ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda image: load(image, SMALL), (left, right, file)))
        for pixels in found:
            np.testing.assert_array_equal(pixels, load(photo, SMALL))


@pytest.mark.parametrize("by_thread", [False, True])
def test_a_read_that_reads_its_own_object_is_an_error(content: bytes, by_thread: bool) -> None:
    class Selfish(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if by_thread:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(copy_context().run, load, self, SMALL).result(PATIENCE_S)
            else:
                load(self, SMALL)
            return super().read(size)

    with pytest.raises(ImageError, match="the Selfish is read while it is being read"):
        load(Selfish(content), SMALL)


def test_a_read_may_read_another_object(photo: Image.Image, content: bytes) -> None:
    class Lazy(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            load(io.BytesIO(content), SMALL)
            return super().read(size)

    np.testing.assert_array_equal(load(Lazy(content), SMALL), load(photo, SMALL))


def test_two_reads_that_read_each_other_are_an_error_not_a_deadlock(content: bytes) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)

    class Crossed(io.BytesIO):
        other: "Crossed"
        met = False

        def read(self, size: int | None = -1, /) -> bytes:
            if not self.met:
                self.met = True
                both.wait()
                load(self.other, SMALL)
            return super().read(size)

    left, right = Crossed(content), Crossed(content)
    left.other, right.other = right, left

    def outcome(file: Crossed) -> str:
        try:
            load(file, SMALL)
        except ImageError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(outcome, (left, right), timeout=PATIENCE_S)]
    assert sum("is read while it is being read" in text for text in found) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_forked_in_mid_read_reads_on(content: bytes, tmp_path: Path) -> None:
    slow = Held(content)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(load, slow, SMALL)
        assert slow.begun.wait(PATIENCE_S)
        child = os.fork()
        if child == 0:
            slow.go.set()
            load(io.BytesIO(content), SMALL)
            load(slow, SMALL)  # its reader is no thread of this process
            (tmp_path / "done").touch()
            os._exit(0)
        slow.go.set()
        waiting.result(PATIENCE_S)
        assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "done").exists()
