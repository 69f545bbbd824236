"""The model in a real browser: Debian's chromium, driven by Playwright, beside the runtime."""

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image
from static_files import static_files

from twinlens import Model
from twinlens.demo.samples import bundled_drawings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
# Of a busy machine; 5 s is the library's own.
playwright.expect.set_options(timeout=30_000)
CHROMIUM: Final = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
Page = Any

PATIENCE_MS: Final = 60_000
IMAGE_BOUND: Final = 0.9995
TEXT_BOUND: Final = 0.9998
"""Smallest cosine of a row in the browser with that of the runtime; examples/browser/README.md."""
ROWS: Final = """async (given) => {
    const { openModel } = await import("./model.js");
    const model = await openModel();
    const blob = async (uri) => new Blob([Uint8Array.from(atob(uri), (c) => c.charCodeAt(0))]);
    const rows = { texts: [], pictures: [] };
    for (const text of given.texts) rows.texts.push([...await model.embedText(text)]);
    for (const uri of given.pictures) {
        rows.pictures.push([...await model.embedPicture(await blob(uri))]);
    }
    return rows;
}"""


@pytest.fixture(scope="module")
def url(built: Path) -> Iterator[str]:
    """The address of the page; every file has its policy, since a worker has only its own."""
    page = (built / "index.html").read_text(encoding="utf-8")
    policy = page.partition('Security-Policy" content="')[2].partition('"')[0]
    assert "'wasm-unsafe-eval'" in policy
    assert "unsafe-inline" not in policy
    with static_files(built, {"content-security-policy": policy}) as address:
        yield address


@pytest.fixture(scope="module")
def open_page(url: str) -> Iterator[Callable[..., Page]]:
    """Open pages that have embedded the drawings; none may ask another host or log an error."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        asked: list[str] = []
        told: list[str] = []

        def opened(**settings: object) -> Page:
            context = browser.new_context(**settings)
            context.on("request", lambda request: asked.append(request.url))
            context.on("console", lambda line: told.append(line.text))
            page = context.new_page()
            page.on("pageerror", lambda error: told.append(str(error)))
            page.goto(url)
            playwright.expect(page.locator("#loading")).to_be_hidden(timeout=PATIENCE_MS)
            return page

        yield opened
        browser.close()
    assert not [one for one in asked if not one.startswith((f"{url}/", f"blob:{url}/"))]
    assert not told


@pytest.fixture(scope="module")
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


def search(page: Page, words: str) -> None:
    page.fill("#words", words)
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#status")).to_contain_text(f"{words}: first is")


def captions(page: Page) -> list[str]:
    found: list[str] = page.locator(".caption > :first-child").all_inner_texts()
    return found


def photographs() -> list[bytes]:
    """Encoded pictures of odd sizes: opaque, translucent, turned, gray, with a palette."""
    rng = np.random.default_rng(0)
    found = []
    for width, height in ((1600, 900), (70, 400), (33, 20)):
        coarse = rng.integers(0, 256, (6, 5, 4), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        turned = Image.Exif()
        turned[0x0112] = 6
        for image, kind, more in (
            (smooth, "PNG", {}), (smooth.convert("RGB"), "PNG", {}),
            (smooth.convert("L"), "PNG", {}),
            (smooth.convert("RGB"), "JPEG", {"quality": 95, "exif": turned}),
            (smooth.convert("RGB"), "WEBP", {"lossless": True}),
            (smooth.convert("RGB").quantize(16), "GIF", {}),
        ):  # fmt: skip
            file = io.BytesIO()
            image.save(file, kind, **more)
            found.append(file.getvalue())
    return found


def test_rows_are_near_those_of_the_runtime(page: Page, model: Model) -> None:
    drawings = bundled_drawings()
    pictures = [drawing.path.read_bytes() for drawing in drawings] + photographs()
    texts = [drawing.caption for drawing in drawings] + [
        "", "<|endoftext|> a dog", "ΟΔΟΣ ΣΑΣ\u0085\ufeff", "日本語 👨\u200d👩\u200d👧",
        "word " * 100,
    ]  # fmt: skip
    given = {"texts": texts, "pictures": [base64.b64encode(one).decode() for one in pictures]}
    rows = page.evaluate(ROWS, given)
    for name, wanted, bound in (
        ("pictures", model.embed_images(pictures), IMAGE_BOUND),
        ("texts", model.embed_texts(texts), TEXT_BOUND),
    ):
        cosines = (np.array(rows[name]) * wanted).sum(axis=1)
        assert cosines.shape == (len(given[name]),)
        assert cosines.min() >= bound, name


def test_words_rank_the_drawings_as_the_runtime_does(page: Page, model: Model) -> None:
    drawings = bundled_drawings()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("a dog")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#status")).to_contain_text("a dog: first is")
    images = model.embed_images([drawing.path for drawing in drawings])
    cosines = dict(
        zip(
            [drawing.caption for drawing in drawings],
            images @ model.embed_texts(["a dog"])[0],
            strict=True,
        )
    )
    found = captions(page)
    assert sorted(found) == sorted(cosines)
    shown = [float(text.split()[1]) for text in page.locator(".cosine").all_inner_texts()]
    np.testing.assert_allclose(shown, [cosines[name] for name in found], atol=0.02)
    assert shown == sorted(shown, reverse=True)
    assert found[0] == max(cosines, key=cosines.__getitem__)


def test_the_prior_moves_the_probabilities(page: Page, model: Model) -> None:
    search(page, "an animal")
    assert model.calibration is not None
    cosines = [float(text.split()[1]) for text in page.locator(".cosine").all_inner_texts()]
    for expected in (1, 30):
        page.locator("#expected").fill(str(expected))
        playwright.expect(page.locator("#prior-words")).to_contain_text(f"{expected} of 60 match")
        likely = model.calibration.probability(np.float32(cosines), prior=expected / 60)
        for text, probability in zip(page.locator(".score").all_inner_texts(), likely, strict=True):
            if text[0] not in "<>":
                assert abs(float(text.split()[0]) / 100 - probability) < 0.01


def test_a_picture_is_chosen_and_dropped(page: Page) -> None:
    dog = bundled_drawings()[0]
    page.set_input_files("#file", dog.path)
    playwright.expect(page.locator("#asked-words")).to_have_text("Drawings like your picture")
    first = page.locator(".tile").first
    playwright.expect(first.locator(".score")).to_have_text("cos 1.000")
    assert captions(page)[0] == dog.caption
    playwright.expect(page.locator("#prior")).to_be_hidden()
    search(page, "a car")
    page.evaluate(
        """async () => {
            const image = await (await fetch(document.querySelector(".tile img").src)).blob();
            const data = new DataTransfer();
            data.items.add(new File([image], "mine.png", { type: "image/png" }));
            const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
            document.body.dispatchEvent(event);
        }"""
    )
    playwright.expect(page.locator("#asked-words")).to_have_text("Drawings like your picture")
    playwright.expect(first.locator(".score")).to_have_text("cos 1.000")


def test_the_keyboard_alone_finds_drawings_like_one(page: Page) -> None:
    search(page, "something to eat")
    wanted = captions(page)[1]
    page.locator(".tile").nth(0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#asked-words")).to_have_text(f"Drawings like {wanted}")
    playwright.expect(page.locator(".tile").first).to_be_focused()
    assert captions(page)[0] == wanted
    page.locator("#clear").press("Enter")
    assert captions(page) == [drawing.caption for drawing in bundled_drawings()]
    playwright.expect(page.locator("#words")).to_be_focused()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.txt", "text/plain", "That is no picture; choose a PNG, JPEG or WebP."),
        ("a.png", "image/png", "This browser cannot read that as a picture"),
    ],
)
def test_a_file_that_is_no_picture_is_one_error(
    page: Page, name: str, kind: str, message: str
) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": b"no picture"})
    playwright.expect(page.locator("#error")).to_contain_text(message)
    search(page, "a cat")
    playwright.expect(page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(
    "look",
    [
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
        {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True},
    ],
    ids=["light", "dark", "phone"],
)
def test_axe_finds_nothing_and_nothing_is_cut(
    open_page: Callable[..., Page], look: dict[str, Any]
) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    page = open_page(bypass_csp=True, **look)
    page.add_script_tag(path=Path(axe.__file__).parent / "axe.min.js")

    def require_clean() -> None:
        found = page.evaluate("axe.run()")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

    require_clean()
    search(page, " ".join(["a dog"] * 20))
    require_clean()
    page.locator(".tile").first.click()
    playwright.expect(page.locator("#prior")).to_be_hidden()
    require_clean()
