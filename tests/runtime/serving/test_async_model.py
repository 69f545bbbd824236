"""The engine on the demo model: its answers are those of the model, to the bit."""

import asyncio
import base64
import contextvars
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import twinlens
from twinlens import AdmissionLimits, AsyncModel, Base64Image, ImageError, RequestSizeError

PATHS = sorted((Path(twinlens.__file__).parent / "demo" / "drawings").glob("*.png"))[:24]
LIMITS = AdmissionLimits(timeout_s=60, max_wait_s=60, max_interactive_wait_s=60)
"""Of patience with a busy machine: no test here is of refusals for want of time."""
WORDS = ("a", "red", "dog", "pizza", "flag of", "night", "sad", "train", "Ελλάδα", "犬")


@pytest.fixture(scope="module")
def model() -> Iterator[twinlens.Model]:
    with twinlens.load("demo", threads=1) as opened:
        yield opened


def on(
    model: twinlens.Model, act: Callable[[AsyncModel], Awaitable[None]], **options: object
) -> AsyncModel:
    """An engine on the model, closed after an act."""

    async def run() -> AsyncModel:
        async with AsyncModel(model, **{"limits": LIMITS, **options}) as serving:
            await asyncio.wait_for(act(serving), 60)
        return serving

    return asyncio.run(run())


def test_every_batch_of_the_engine_gives_the_bits_of_the_model(model: twinlens.Model) -> None:
    draw = random.Random(7)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 40))) for _ in range(200)]
    text_rows = model.embed_texts(texts, on_cut="ignore")
    image_rows = model.embed_images(PATHS)
    contents = [path.read_bytes() for path in PATHS]

    async def request(serving: AsyncModel, n_items: int) -> None:
        items, wanted = [], []
        for _ in range(n_items):
            if draw.random() < 0.7:
                place = draw.randrange(len(texts))
                items.append(texts[place])
                wanted.append(text_rows[place])
            else:
                place = draw.randrange(len(PATHS))
                content = contents[place]
                encoded = Base64Image(base64.b64encode(content).decode())
                items.append(draw.choice((content, encoded)))
                wanted.append(image_rows[place])
        found = await serving.embed(items)
        assert np.array_equal(found.rows, np.stack(wanted))
        asked = [item for item in items if isinstance(item, str)]
        tokens = model.tokenize(asked, on_cut="ignore")
        assert found.tokens == sum(tokens.lengths)
        places = [place for place, item in enumerate(items) if isinstance(item, str)]
        assert found.truncated == tuple(places[cut] for cut in tokens.cut)
        assert found.timings.queue_s >= 0 < found.timings.tower_s

    async def act(serving: AsyncModel) -> None:
        await asyncio.gather(
            *(request(serving, draw.choice((1, 1, 1, 2, 4, 20))) for _ in range(120))
        )

    stats = on(model, act, workers=2).stats()
    assert stats.answered == stats.accepted == 120
    assert stats.runs < stats.items / 2  # there were batches


def test_joint_answers_are_those_of_the_model(model: twinlens.Model) -> None:
    images, labels = PATHS[:5], ["dog", "cat", "a big red truck", "flag"]
    texts = ["a dog", "pizza", "a dog", "car", "night"]
    templates = ["a photo of a {}", "{} in the sky", "the {}"]

    async def act(serving: AsyncModel) -> None:
        for prior in (None, 0.01):
            found = await serving.match(images, texts, prior=prior)
            assert np.array_equal(found, model.match(images, texts, prior=prior))
        again = await serving.match([images[0].read_bytes()] * 3, texts[:3])
        assert np.array_equal(again, model.match([images[0]] * 3, texts[:3]))
        for forms in (templates, templates[:1]):
            wanted = model.embed_labels(labels, templates=forms)
            for _ in range(2):  # embedded, then kept
                rows = await serving.embed_labels(labels, templates=forms)
                assert np.array_equal(rows, wanted)
            part = await serving.embed_labels(["new", *labels[::-1]], templates=forms)
            assert np.array_equal(part, model.embed_labels(["new", *labels[::-1]], templates=forms))
        classes = await serving.classify(images, labels)
        wanted = model.classify(images, labels)
        assert classes.labels == wanted.labels
        assert np.array_equal(classes.probabilities, wanted.probabilities)
        many = [f"label {number}" for number in range(600)]
        assert np.array_equal(await serving.embed_labels(many), model.embed_labels(many))
        runs = serving.stats().runs
        await serving.embed_labels(many)
        assert serving.stats().runs == runs
        with pytest.raises(ValueError, match="5 images and 1 text are not pairs"):
            await serving.match(images, texts[:1])
        with pytest.raises(ValueError, match="label 'a' is there twice"):
            await serving.embed_labels(["a", "a"])
        with pytest.raises(ImageError, match="image 3: ") as caught:
            await serving.match([images[0], images[0], images[0], b"torn"], texts[:4])
        assert caught.value.place == 3

    on(model, act, workers=1)


def test_every_form_of_an_image_is_read(model: twinlens.Model) -> None:
    path = PATHS[3]
    picture = Image.open(path).convert("RGB")
    plain = BytesIO()
    picture.save(plain, "PNG")
    content = plain.getvalue()
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    forms = [content, bytearray(content), memoryview(content), picture, np.asarray(picture)]

    async def act(serving: AsyncModel) -> None:
        mixed = (await serving.embed([*forms, Base64Image(uri), BytesIO(content)])).rows
        assert np.array_equal(mixed, model.embed_images([content] * 7))
        assert np.array_equal(await serving.embed_images([str(path)]), model.embed_images([path]))
        assert (await serving.embed([])).rows.shape == (0, model.width)
        with pytest.raises(ImageError, match="image 0: the text is not base64"):
            await serving.embed_images([Base64Image("?")])
        with pytest.raises(TypeError, match="images is one bytes"):
            await serving.embed_images(content)
        with pytest.raises(TypeError, match="images is a generator, which may reuse an array"):
            await serving.embed_images(one for one in [content])

    on(model, act)


def test_requests_larger_than_ever_accepted_are_refused(model: twinlens.Model) -> None:
    limits = AdmissionLimits(
        texts_a_request=2, images_a_request=1, text_characters=10, max_bytes=100
    )

    async def act(serving: AsyncModel) -> None:
        for items, message in (
            (["a", "b", "c"], "3 texts a request, at most 2 are accepted; ask for them in parts"),
            ([b"a", b"b"], "2 images a request, at most 1"),
            ([b"a", "a" * 11], "11 characters a text, at most 10 are accepted; shorten it"),
            ([b"a" * 76], "76 bytes a request, at most 75"),
        ):
            with pytest.raises(RequestSizeError, match=message) as caught:
                await serving.embed(items)
            assert caught.value.place == (1 if "characters" in message else None)
        assert len(await serving.embed_texts(["a" * 10, "b"])) == 2

    assert on(model, act, limits=limits).stats().accepted == 1
    for name in ("max_items", "timeout_s", "max_wait_s"):
        for value in (0, -1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"{name} is {value}, not a finite number above 0"):
                AdmissionLimits(**{name: value})


def test_images_are_decoded_in_the_context_of_their_caller(model: twinlens.Model) -> None:
    name = contextvars.ContextVar("name", default="none")
    seen: list[str] = []

    class Spy:
        def __getattr__(self, attribute: str) -> object:
            return getattr(model, attribute)

        def preprocess(self, image: object) -> np.ndarray:
            seen.append(name.get())
            return model.preprocess(image)

    async def caller(serving: AsyncModel, own: str) -> None:
        name.set(own)
        await serving.embed_images([PATHS[0]] * 6)

    async def act(serving: AsyncModel) -> None:
        seen.clear()  # of the warm-up
        await asyncio.gather(*(caller(serving, own) for own in "abc"))

    on(Spy(), act, workers=2)
    assert sorted(seen) == sorted("abc" * 6)


def test_an_observer_hears_of_every_run_and_may_fail(
    model: twinlens.Model, caplog: pytest.LogCaptureFixture
) -> None:
    reports: list[twinlens.RunReport] = []
    dropped: list[tuple[str, int]] = []

    class Loud:
        def on_run(self, report: twinlens.RunReport) -> None:
            reports.append(report)
            raise ValueError("no disk")

        def on_dropped(self, why: str, items: int) -> None:
            dropped.append((why, items))

    async def act(serving: AsyncModel) -> None:
        await serving.embed(["a", PATHS[0].read_bytes()])
        await serving.embed_images(PATHS[:9])
        with pytest.raises(twinlens.DeadlineError):
            await serving.embed_images(PATHS[:9], timeout_s=1e-5)
        await serving.drain()
        with pytest.raises(twinlens.ClosedError):
            await serving.embed_texts(["a", "b"])

    with caplog.at_level(logging.CRITICAL):
        stats = on(model, act, workers=1, observer=Loud()).stats()
    assert len(reports) == stats.runs
    assert sum(report.items for report in reports) == stats.items
    for report in reports:
        assert report.tower_s > 0 or report.kind == "image"
        assert len(report.waited_s) == report.items
        assert len(report.decode_s) == (report.items if report.kind == "image" else 0)
    assert {(report.kind, report.priority) for report in reports} >= {
        ("text", "interactive"),
        ("image", "interactive"),
        ("image", "bulk"),
    }
    assert dropped == [("refused", 9), ("refused", 2)]
