"""Parts of a call: pixels and tokens give the rows of the whole call, on the calling thread."""

import dataclasses
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from half_demo import half_demo
from onnxruntime import SessionOptions

import twinlens
from twinlens import (
    ImageError,
    Limits,
    Model,
    NamedImage,
    PixelOptions,
    ReadOptions,
    TextError,
    Tokens,
)
from twinlens.bundle.bundle import Bundle
from twinlens.demo.samples import bundled_drawings
from twinlens.ort import session_options

LONG = "a dog in a park beside a red box " * 12
TEXTS = [
    "a dog",
    "a",
    "",
    LONG,
    "a dog",
    "a red apple on a table",
    *(f"{n} cats" for n in range(70)),
]


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    return [drawing.path for drawing in bundled_drawings()[:37]]


@pytest.fixture(scope="module")
def one_thread() -> Model:
    return twinlens.load("demo", device="cpu", threads=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_pixels_and_tokens_give_the_rows_of_images_and_texts_in_any_batch(
    threads: int, pictures: list[Path]
) -> None:
    model = twinlens.load("demo", device="cpu", threads=threads)
    pixels = np.stack([model.preprocess(path) for path in pictures])
    tokens = model.tokenize(TEXTS, on_cut="ignore")
    images, texts = model.embed_images(pictures), model.embed_texts(TEXTS, on_cut="ignore")
    shuffled = np.random.default_rng(0).permutation(len(pictures))
    np.testing.assert_array_equal(model.embed_pixels(pixels[shuffled]), images[shuffled])
    for size in (1, 5, 16, 37, 76):
        some, few = slice(3, 3 + size), slice(0, size)
        np.testing.assert_array_equal(model.embed_pixels(pixels[few]), images[few])
        np.testing.assert_array_equal(model.embed_tokens(tokens[some]), texts[some])
    mixed = Tokens.joined([tokens[60], tokens[2:4], tokens[60]])
    np.testing.assert_array_equal(model.embed_tokens(mixed), texts[[60, 2, 3, 60]])


def test_towers_in_float32_give_them_too(bundle: Bundle) -> None:
    model = twinlens.load(bundle.folder, device="cpu", threads=1)
    assert model.precision == "fp32"
    images = [*np.random.default_rng(0).integers(0, 256, (20, 9, 7, 3), dtype=np.uint8)]
    pixels = np.stack([*map(model.preprocess, images)])
    np.testing.assert_array_equal(model.embed_pixels(pixels), model.embed_images(images))
    texts = ["dog", "the dog and the dog", "thing"]
    rows = model.embed_tokens(model.tokenize(texts))
    np.testing.assert_array_equal(rows, model.embed_texts(texts))


def test_of_nothing_there_are_no_rows(model: Model) -> None:
    side = model.preprocess(np.zeros((3, 3, 3), dtype=np.uint8)).shape[0]
    nothing = np.empty((0, side, side, 3), dtype=np.uint8)
    assert model.embed_pixels(nothing).shape == (0, model.width)
    assert model.embed_tokens(model.tokenize([])).shape == (0, model.width)


def test_pixels_of_any_layout_are_their_values(model: Model, pictures: list[Path]) -> None:
    pixels = np.stack([model.preprocess(path) for path in pictures[:4]])
    fixed = pixels.copy()
    fixed.flags.writeable = False
    rows = model.embed_pixels(pixels)
    np.testing.assert_array_equal(model.embed_pixels(fixed), rows)
    np.testing.assert_array_equal(model.embed_pixels(pixels[::-1]), rows[::-1])
    np.testing.assert_array_equal(model.embed_pixels(np.asfortranarray(pixels)), rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda p: p[0],
            r"\[64, 64, 3\], wanted uint8 \[B, 64, 64, 3\].*one image as pixels\[None\]",
        ),
        (lambda p: p.astype(np.float32), r"pixels are float32 \[2, 64, 64, 3\], wanted uint8"),
        (lambda p: p.astype(np.int8), "pixels are int8"),
        (lambda p: p[:, :63], r"uint8 \[2, 63, 64, 3\], wanted uint8 \[B, 64, 64, 3\]"),
        (lambda p: p.transpose(0, 3, 1, 2), r"uint8 \[2, 3, 64, 64\], wanted"),
        (lambda p: [*p], r"pixels are a list, wanted a numpy array .* np.stack makes one"),
        (lambda p: np.ma.array(p, mask=p > 7), "masked array"),
    ],
)
def test_pixels_of_another_shape_or_type_are_refused(
    model: Model, pictures: list[Path], change: Callable[[np.ndarray], Any], message: str
) -> None:
    pixels = np.stack([model.preprocess(path) for path in pictures[:2]])
    with pytest.raises(ImageError, match=message):
        model.embed_pixels(change(pixels))


def test_an_image_that_cannot_be_read_is_an_error_with_its_reason(model: Model) -> None:
    for bad in (b"not a picture", NamedImage("a.jpg", b"not a picture")):
        with pytest.raises(ImageError, match=r"^13 bytes is no image"):
            model.preprocess(bad)
    with pytest.raises(ImageError, match=r"^gone$"):
        model.preprocess(NamedImage("a.jpg", ImageError("gone")))


def test_a_named_image_is_preprocessed_as_its_image(model: Model, pictures: list[Path]) -> None:
    named = NamedImage("x", pictures[0])
    np.testing.assert_array_equal(model.preprocess(named), model.preprocess(pictures[0]))


def test_truncated_texts_are_marked_and_may_be_refused(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = model.tokenize(["a", LONG, "a dog", LONG], on_cut="ignore")
    assert (tokens.cut, tokens.lengths) == ((1, 3), (3, 32, 4, 32))
    assert not caplog.records
    assert model.tokenize(["a", LONG]).cut == (1,)
    assert "1 of 2 texts are cut to 32 tokens: text 1 has" in caplog.text
    with pytest.raises(TextError, match=r"text 1 has .* tokens, wanted at most 32"):
        model.tokenize(["a", LONG], on_cut="error")
    with pytest.raises(TypeError, match="texts is one str; give a list of them"):
        model.tokenize("a dog")  # type: ignore[arg-type]


def test_tokens_of_another_tokenizer_are_refused(model: Model, bundle: Bundle) -> None:
    foreign = twinlens.load(bundle.folder, device="cpu", threads=1).tokenize(["dog"])
    with pytest.raises(
        TextError, match=r"of the tokenizer [0-9a-f]{12}, this model has .* other words"
    ):
        model.embed_tokens(foreign)
    with pytest.raises(TextError, match=r"tokens are a list, wanted the Tokens of Model\.tokenize"):
        model.embed_tokens([[1, 2]])  # type: ignore[arg-type]


def test_a_tokenizer_is_the_same_in_each_precision_and_another_by_its_context(
    model: Model, altered: Callable[[Callable[[dict[str, Any]], None]], Path]
) -> None:
    half = twinlens.load(half_demo(), device="cpu", precision="fp16", threads=1)
    tokens = half.tokenize(["a dog"])
    assert tokens.tokenizer == half.tokenizer_key == model.tokenizer_key
    np.testing.assert_array_equal(model.embed_tokens(tokens), model.embed_texts(["a dog"]))
    shorter = altered(lambda manifest: manifest["text"].update(context=16))
    with pytest.raises(TextError, match="tokenize by this model"):
        twinlens.load(shorter, device="cpu", threads=1).embed_tokens(tokens)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((), "text 1 has 0 tokens, wanted 1 to 32"),
        ((3070, *[320] * 31, 3071), "text 1 has 33 tokens, wanted 1 to 32"),
        ((3070, 320), "text 1 ends with token 320, wanted the end token 3071"),
        ((3070, 3072, 3071), "text 1 has the token 3072, which is none of this model's"),
        ((3070, -1, 3071), "text 1 has the token -1, which"),
        ((3070, 2**32 + 320, 3071), "text 1 has the token 4294967616, which"),
        ((3070, 10**30, 3071), "text 1 has the token 1000000000000000000000000000000, which"),
    ],
)
def test_ids_that_no_text_has_are_refused(model: Model, row: tuple[int, ...], message: str) -> None:
    good = model.tokenize(["a"])
    with pytest.raises(TextError, match=message):
        model.embed_tokens(dataclasses.replace(good, rows=(*good.rows, row)))


def test_threads_share_one_session_a_tower(
    pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    real = session_options._inference_session
    monkeypatch.setattr(
        session_options,
        "_inference_session",
        lambda *a, **more: opened.append(s := real(*a, **more)) or s,
    )
    model = twinlens.load("demo", device="cpu", threads=1)
    model.warm_up()
    pixels = np.stack([model.preprocess(path) for path in pictures])
    tokens = model.tokenize(TEXTS, on_cut="ignore")
    images, texts = model.embed_pixels(pixels), model.embed_tokens(tokens)
    together = threading.Barrier(4, timeout=20)

    def work(start: int) -> bool:
        together.wait()
        some = slice(start, start + 9)
        same = [
            (model.embed_pixels(pixels[some]) == images[some]).all()
            and (model.embed_tokens(tokens[some]) == texts[some]).all()
            and (model.embed_images(pictures[some]) == images[some]).all()
            and (model.embed_texts(TEXTS[some], on_cut="ignore") == texts[some]).all()
            for _ in range(5)
        ]
        return all(same)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(0, 28, 7)))
    assert len(opened) == 3  # two towers, and the matrix of probabilities


class Watched(io.BytesIO):
    """File that notes the threads that read it."""

    readers: set[int]

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read(size)


def readers_of(model: Model, picture: Path, count: int) -> set[int]:
    Watched.readers = set()
    content = picture.read_bytes()
    model.embed_images([Watched(content) for _ in range(count)])
    return Watched.readers


def test_one_image_and_one_thread_start_none(
    model: Model, one_thread: Model, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert threading.get_ident() not in readers_of(model, pictures[0], 2)
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    assert readers_of(model, pictures[0], 1) == {threading.get_ident()}
    assert readers_of(one_thread, pictures[0], 40) == {threading.get_ident()}
    one_thread.embed_texts(TEXTS, on_cut="ignore")
    one_thread.embed_images_on_device(pictures)
    assert not started


def test_a_warm_model_opens_nothing_more(
    pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = twinlens.load("demo", device="cpu", threads=2)
    model.warm_up()
    monkeypatch.setattr(session_options, "_inference_session", None)
    model.embed_images(pictures)
    rows = model.embed_texts(TEXTS, on_cut="ignore")
    model.probabilities(rows, rows)


def test_a_session_that_is_opened_later_is_found_from_any_folder(
    uncalibrated: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(uncalibrated.parent)
    model = twinlens.load(uncalibrated.name, device="cpu", threads=2)
    monkeypatch.chdir("/")
    assert model.embed_images(pictures).shape == (37, 192)


def test_limits_that_forbid_its_image_do_not_stop_a_warm_up() -> None:
    read = ReadOptions(limits=Limits(formats=("PNG",), max_pixels=4))
    twinlens.load("demo", device="cpu", threads=1, pixels=PixelOptions(read=read)).warm_up()


@pytest.mark.parametrize("spinning", [False, True])
def test_threads_of_sessions_sleep_unless_they_are_to_spin(
    spinning: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    real = session_options._inference_session

    def noted(model: object, options: SessionOptions, providers: object, **more: object) -> object:
        try:
            asked.append(options.get_session_config_entry("session.intra_op.allow_spinning") != "0")
        except RuntimeError:  # no such entry: onnxruntime's own choice is to spin
            asked.append(True)
        return real(model, options, providers, **more)

    monkeypatch.setattr(session_options, "_inference_session", noted)
    given = {"spinning": True} if spinning else {}
    model = twinlens.load("demo", device="cpu", threads=2, **given)
    model.warm_up()
    assert asked == [spinning] * 5
