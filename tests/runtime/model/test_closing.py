"""Closing: memory goes back, calls at work end, later ones are refused, and nothing hangs."""

import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from half_demo import half_demo
from imitated_cuda import imitate_gpu

import twinlens
from twinlens import ClosedError, CudaOptions, Index, Model
from twinlens.bundle.bundle import Bundle
from twinlens.demo.samples import bundled_drawings
from twinlens.ort import device_errors
from twinlens.ort.session import Session

PICTURES = [drawing.path for drawing in bundled_drawings()[:30]]
CLOSED = r"Model\(.*, width 192, closed\) was closed; load the model again"


def opened(threads: int = 2) -> Model:
    return twinlens.load("demo", device="cpu", threads=threads)


@pytest.fixture(scope="module")
def closed() -> Model:
    with opened() as model:
        pass
    return model


@pytest.mark.parametrize(
    "act",
    [
        lambda m: m.embed_images(PICTURES),
        lambda m: m.embed_images([]),
        lambda m: m.stream_images(PICTURES),
        lambda m: m.embed_texts([]),
        lambda m: m.embed_images_on_device(PICTURES),
        lambda m: m.embed_texts_on_device(["a"]),
        lambda m: m.preprocess(PICTURES[0]),
        lambda m: m.embed_pixels(np.zeros((1, 64, 64, 3), dtype=np.uint8)),
        lambda m: m.tokenize(["a"]),
        lambda m: m.embed_tokens(None),
        lambda m: m.match(PICTURES[:1], ["a"]),
        lambda m: m.match_images(PICTURES[:1], PICTURES[:1]),
        lambda m: m.match_texts(["a"], ["a"]),
        lambda m: m.calibration_for(),
        lambda m: m.search(Index.build(np.eye(192)), "a"),
        lambda m: m.probabilities(np.zeros((1, 192)), np.zeros((1, 192))),
        lambda m: m.probabilities_on_device(np.zeros((1, 192)), np.zeros((1, 192))),
        lambda m: m.predict_proba({"image": PICTURES[:1], "text": ["a"]}),
        lambda m: m.predict({"image": PICTURES[:1], "text": ["a"]}),
        lambda m: m.embed_labels(["a"]),
        lambda m: m.classify(PICTURES, ["a"]),
        lambda m: m.classify_rows(np.zeros((1, 192)), np.zeros((1, 192)), labels=["a"]),
        lambda m: m.warm_up(),
        lambda m: m.__enter__(),
        lambda m: m.__reduce__(),
        lambda m: list(m.stream_texts(["a"])),
    ],
)
def test_every_later_call_is_refused(closed: Model, act: Callable[[Model], Any]) -> None:
    with pytest.raises(ClosedError, match=CLOSED):
        act(closed)


def test_no_public_call_is_forgotten_above() -> None:
    calls = {
        name for name in dir(Model) if not name.startswith("_") and callable(getattr(Model, name))
    }
    source = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in calls if f"m.{name}(" not in source} == {"close", "require"}


def test_the_properties_stay_and_a_second_close_changes_nothing(model: Model) -> None:
    other = opened()
    assert not other.closed
    other.close()
    other.close()
    assert other.closed
    other.require("image", "text")  # of the bundle, as a property
    for name in ("about", "width", "device", "precision", "pixels", "level", "towers_key"):
        assert getattr(other, name) == getattr(model, name)
    assert other.tokenizer_key == model.tokenizer_key
    assert other.calibration == model.calibration


def test_a_body_that_fails_closes_it_too() -> None:
    with pytest.raises(ValueError, match="mine"), opened() as model:
        raise ValueError("mine")
    assert model.closed


@pytest.mark.parametrize("threads", [1, 2])
def test_no_session_lives_on_beside_a_model_that_is_kept(threads: int) -> None:
    others = set(threading.enumerate())
    model = opened(threads)
    model.warm_up()
    rows = model.embed_texts(["a"])
    model.probabilities(rows, rows)
    stream = model.stream_images(PICTURES * 4, block=4)  # more than are embedded ahead
    next(stream)
    encoders, matcher = model._encoders, model._matcher
    towers: list[Any] = [encoders.images.tower, encoders.texts.tower]
    sessions = [part for tower in towers for part in (tower._session, tower._single)]
    assert matcher._opened is not None
    living = [weakref.ref(s._opened) for s in (*sessions, matcher._opened._session)]
    model.close()
    with pytest.raises(ClosedError):
        list(stream)
    assert [ref() for ref in living] == [None] * 5
    own = set(threading.enumerate()) - others
    assert not [t.name for t in own if t.name.startswith("twinlens")]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_goes_back_to_the_system_each_time() -> None:
    script = """
        import sys
        import twinlens
        from pathlib import Path

        def anonymous_kib():
            return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])

        def cycle():
            with twinlens.load(sys.argv[1], device="cpu", precision="fp16", threads=1) as model:
                model.warm_up()
                model.embed_texts([f"{n} dogs" for n in range(100)])
                held = anonymous_kib()
            return held, anonymous_kib()

        cycle()
        found = [cycle() for _ in range(8)]
        held, left = zip(*found)
        # The two towers of the demo hold 30 MB in half precision, which the CPU widens.
        assert min(held) - max(left) > 15_000, found
        assert max(left) - min(left) < 5_000, found
    """
    code = "\n".join(line[8:] for line in script.splitlines())
    subprocess.run([sys.executable, "-c", code, half_demo()], check=True, timeout=120)


def test_a_run_in_which_its_own_thread_closes_the_model_ends_as_usual(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal handler does, in the thread that computes."""
    other, wanted = opened(), model.embed_texts(["a dog"])
    tokens, real = other.tokenize(["a dog"]), device_errors.forks.call

    def call() -> AbstractContextManager[None]:
        other.close()
        return real()

    monkeypatch.setattr(device_errors.forks, "call", call)
    np.testing.assert_array_equal(other.embed_tokens(tokens), wanted)
    with pytest.raises(ClosedError):
        other.embed_tokens(tokens)


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_of_other_threads_end_with_rows_or_are_refused(model: Model, threads: int) -> None:
    images, texts = model.embed_images(PICTURES), model.embed_texts(["a", "b"])
    for _ in range(5):
        other = opened(threads)
        begun, ended = threading.Barrier(5, timeout=20), []

        def call(embed: Callable[[], bool], begun: threading.Barrier, ended: list[bool]) -> None:
            begun.wait()
            with pytest.raises(ClosedError):
                assert not list(iter(embed, True))
            ended.append(True)

        acts: list[Callable[[], bool]] = [
            lambda other=other: bool((other.embed_images(PICTURES) == images).all()),
            lambda other=other: bool((other.embed_texts(["a", "b"]) == texts).all()),
        ]
        workers = [threading.Thread(target=call, args=(act, begun, ended)) for act in 2 * acts]
        for worker in workers:
            worker.start()
        begun.wait()
        other.close()
        for worker in workers:
            worker.join(20)
        assert ended == [True] * 4


def test_a_session_that_opens_while_the_model_closes_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = opened()
    tower: Any = model._encoders.texts.tower
    real = tower._open_on

    def slow(threads: int) -> Session:
        session: Session = real(threads)
        model.close()
        return session

    tower._open_on = slow
    with pytest.raises(ClosedError, match=r"text_model_int8\.onnx was closed"):
        tower.single_threaded()(np.array([[3070, 3071]]))
    assert tower._single._opened is None
    with pytest.raises(ClosedError):
        tower.single_threaded()(np.array([[3070, 3071]]))


def test_lanes_of_a_device_are_freed_even_if_they_are_at_work(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate_gpu(monkeypatch)
    model = twinlens.load(bundle.folder, device="cuda", cuda=CudaOptions(lanes=2))
    pixels = np.full((3, 4, 4, 3), 7, dtype=np.uint8)
    wanted = model.embed_pixels(pixels)
    tower: Any = model._encoders.images.tower
    with tower._lane() as lane:
        model.close()
        np.testing.assert_array_equal(lane.embed(pixels, 4)[:3], wanted)
    assert lane._slots == {}
    assert all(not tower._lanes.get_nowait()._slots for _ in range(2))
    with pytest.raises(ClosedError):
        tower.embed(pixels)
