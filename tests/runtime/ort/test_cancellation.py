"""Cancellation: a run ends at its next operator, and nothing else changes."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from imitated_cuda import imitate_gpu

import twinlens
from twinlens import Cancellation, CudaOptions, Model, ProviderError, RunCancelledError
from twinlens.bundle.bundle import Bundle
from twinlens.demo.samples import bundled_drawings
from twinlens.ort import device_errors
from twinlens.ort.device import CPU
from twinlens.ort.session import Session

Act = Callable[[], None]
CANCELLED = "_int8.onnx was cancelled; give a new Cancellation to repeat it"


@pytest.fixture(scope="module")
def pixels(model: Model) -> np.ndarray:
    return np.stack([model.preprocess(drawing.path) for drawing in bundled_drawings()[:40]])


@pytest.fixture
def as_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], None]:
    """Lets an act happen after the checks before a run, and before onnxruntime has it."""
    real = device_errors.forks.call

    def arrange(act: Act) -> None:
        @contextmanager
        def call() -> Iterator[None]:
            with real():
                act()
                yield

        monkeypatch.setattr(device_errors.forks, "call", call)

    return arrange


def test_a_call_after_it_computes_nothing(
    model: Model, pixels: np.ndarray, as_a_run_begins: Callable[[Act], None]
) -> None:
    runs: list[int] = []
    as_a_run_begins(lambda: runs.append(1))
    cancel = Cancellation()
    assert not cancel.cancelled
    cancel.cancel()
    cancel.cancel()
    assert cancel.cancelled
    for _ in range(2):
        with pytest.raises(RunCancelledError, match=CANCELLED):
            model.embed_pixels(pixels, cancel=cancel)
        with pytest.raises(RunCancelledError, match=CANCELLED):
            model.embed_tokens(model.tokenize(["a dog"]), cancel=cancel)
    assert not runs


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_that_has_begun_ends_and_the_next_one_is_whole(
    threads: int, pixels: np.ndarray, as_a_run_begins: Callable[[Act], None]
) -> None:
    model = twinlens.load("demo", device="cpu", threads=threads)
    wanted = model.embed_pixels(pixels)
    cancel = Cancellation()
    as_a_run_begins(cancel.cancel)
    with pytest.raises(RunCancelledError, match=CANCELLED) as caught:
        model.embed_pixels(pixels, cancel=cancel)
    assert isinstance(caught.value.__cause__, ProviderError)
    assert "terminate flag" in str(caught.value.__cause__)
    np.testing.assert_array_equal(model.embed_pixels(pixels), wanted)
    np.testing.assert_array_equal(model.embed_pixels(pixels, cancel=Cancellation()), wanted)


def test_another_thread_ends_all_calls_that_have_it_and_no_other(
    model: Model, pixels: np.ndarray
) -> None:
    cancel, wanted = Cancellation(), model.embed_pixels(pixels)
    begun, stop = threading.Barrier(4, timeout=20), threading.Event()
    ended: list[str] = []

    def call() -> None:
        begun.wait()
        with pytest.raises(RunCancelledError):
            assert not list(iter(lambda: model.embed_pixels(pixels, cancel=cancel)[0, 0], None))
        ended.append("cancelled")

    def call_without() -> None:
        begun.wait()
        while not stop.is_set():
            np.testing.assert_array_equal(model.embed_pixels(pixels), wanted)
        ended.append("whole")

    threads = [threading.Thread(target=act) for act in (call, call, call_without)]
    for thread in threads:
        thread.start()
    begun.wait()
    cancel.cancel()
    for thread in threads[:2]:
        thread.join(20)
    stop.set()
    threads[2].join(20)
    assert sorted(ended) == ["cancelled", "cancelled", "whole"]


def test_rows_that_are_there_are_returned(model: Model, pixels: np.ndarray) -> None:
    cancel = Cancellation()
    rows = model.embed_pixels(pixels, cancel=cancel)
    cancel.cancel()
    np.testing.assert_array_equal(rows, model.embed_pixels(pixels))


def test_a_run_that_fails_by_itself_is_no_cancelled_one(bundle: Bundle) -> None:
    path = bundle.path("onnx/text_model.onnx")
    session = Session(path, device=CPU, threads=1, name="the text tower")
    with pytest.raises(ProviderError, match=r"the text tower failed on") as caught:
        session.run({"input_ids": np.zeros(3)}, "text_embeds", cancel=Cancellation())
    assert not isinstance(caught.value, RunCancelledError)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cancelled_runs_leave_no_memory_behind(
    model: Model, pixels: np.ndarray, as_a_run_begins: Callable[[Act], None]
) -> None:
    given: list[Cancellation] = []
    as_a_run_begins(lambda: given.pop().cancel())

    def cancelled(count: int) -> int:
        for _ in range(count):
            given.append(Cancellation())
            with pytest.raises(RunCancelledError):
                model.embed_pixels(pixels[:16], cancel=given[0])
        return anonymous_kib()

    before = cancelled(300)
    # 1.4 KB a run; one RunOptions has 0.5, one batch of pixels 197.
    assert cancelled(3000) - before < 4096


def anonymous_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0])


def test_on_a_device_no_further_batch_begins(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = imitate_gpu(monkeypatch)
    model = twinlens.load(bundle.folder, device="cuda", cuda=CudaOptions(largest_batch=4))
    pixels = np.full((12, 4, 4, 3), 7, dtype=np.uint8)
    cancel = Cancellation()
    model.embed_pixels(pixels, cancel=cancel)
    assert [shape[0] for shape in gpu.shapes[-3:]] == [4, 4, 4]
    runs = len(gpu.shapes)
    cancel.cancel()
    with pytest.raises(RunCancelledError, match="was cancelled"):
        model.embed_pixels(pixels, cancel=cancel)
    assert len(gpu.shapes) == runs
