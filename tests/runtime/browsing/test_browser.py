"""The page in a real browser: Debian's chromium, driven by Playwright; one start for all tests."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from browsed_library import BrowseProcess

from twinlens import Model
from twinlens.demo.samples import bundled_drawings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
# Of a busy machine; 5 s is the library's own.
playwright.expect.set_options(timeout=30_000)
CHROMIUM: Final = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
Page = Any

HOSTILE: Final = (
    "<img src=x onerror=window.evil=1>",
    "<svg onload=window.evil=1>",
    "<script>window.evil=1<\\script>",
    "'><img src=x onerror=window.evil=1>",
    '"><img src=x onerror=window.evil=1>',
    '" onerror="window.evil=1',
    "' onload='window.evil=1",
    "javascript:window.evil=1",
    "data:text&colon;html,<script>window.evil=1",
    "${window.evil=1}",
    "`;window.evil=1;`",
    "{{constructor.constructor('window.evil=1')()}}",
    "<iframe srcdoc=&lt;script&gt;window.evil=1>",
    "<a href=javascript:window.evil=1 autofocus onfocus=window.evil=1>",
    "<details open ontoggle=window.evil=1>",
    "<style>@import 'x';</style ><b>",
    "&lt;img src=x onerror=window.evil=1&gt;",
    "<math><mi xlink:href=javascript:window.evil=1>",
    "\u202e<img src=x onerror=window.evil=1>",
    "<template><img src=x onerror=window.evil=1>",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty drawings with the names of attacks, forty others, and a copy of one."""
    found = tmp_path_factory.mktemp("browsed").resolve()
    names = [f"{name}.png".replace("/", "") for name in HOSTILE]
    for number, drawing in enumerate(bundled_drawings()):
        name = names[number - 40] if number >= 40 else drawing.path.name
        shutil.copy(drawing.path, found / name)
        os.utime(found / name, ns=(0, number * 10**9))
    shutil.copy(bundled_drawings()[0].path, found / "copy.png")
    return found


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    browse = BrowseProcess(str(folder), "--index", str(tmp_path_factory.mktemp("browsed-cache")))
    yield browse.url
    assert browse.end()[0] == 0


@pytest.fixture(scope="module")
def open_page(url: str) -> Iterator[Callable[..., Page]]:
    """Open pages, of which none may ask another host, log an error, or run an attack."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pages, asked, told = [], [], []

        def opened(query: str = "", *, misses: bool = False, **settings: object) -> Page:
            page = browser.new_context(**settings).new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on(
                "console",
                lambda line: (
                    told.append(line.text) if not misses or "404" not in line.text else None
                ),
            )
            page.on("pageerror", lambda error: told.append(str(error)))
            page.on("dialog", lambda dialog: told.append(dialog.message))
            page.goto(url + query)
            playwright.expect(page.locator(".tile:not(.waiting)").first).to_be_visible()
            pages.append(page)
            return page

        yield opened
        assert [page.evaluate("window.evil") for page in pages] == [None] * len(pages)
        assert not [one for one in asked if not one.startswith((url, f"blob:{url}"))]
        assert not told
        browser.close()


def search(page: Page, words: str) -> None:
    page.fill("#words", words)
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#status")).to_contain_text(words.split(" - ", maxsplit=1)[0])


def titles(page: Page) -> list[str]:
    found: list[str] = page.locator(".tile:visible .title").all_inner_texts()
    return found


def test_the_keyboard_alone_is_enough(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("a dog")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#status")).to_contain_text("a dog")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator(".tile button").first.evaluate("e => e === document.activeElement"):
            break
    page.keyboard.press("ArrowRight")
    second = page.locator(".tile button").nth(1)
    playwright.expect(second).to_be_focused()
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#similar")).to_be_focused()
    name = page.inner_text("#name")
    page.keyboard.press("ArrowRight")
    playwright.expect(page.locator("#name")).not_to_have_text(name)
    page.keyboard.press("ArrowLeft")
    playwright.expect(page.locator("#name")).to_have_text(name)
    page.keyboard.press("Escape")
    playwright.expect(second).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#status")).to_contain_text("pictures like")
    playwright.expect(page.locator("#note")).to_contain_text("cosine of the two embeddings")
    page.go_back()
    playwright.expect(page.locator("#status")).to_contain_text("a dog")


def test_the_threshold_and_the_prior_are_those_of_the_calibration(
    open_page: Callable[..., Page], folder: Path, model: Model
) -> None:
    page = open_page("/?q=an+animal")
    page.fill("#near", "1")
    page.keyboard.press("Tab")
    # A click is ignored while hits are asked for.
    playwright.expect(page.locator("#hits")).not_to_have_attribute("aria-busy", "true")
    playwright.expect(page.locator(".badge")).to_have_text("+1")
    paths = sorted(set(folder.iterdir()) - {folder / "copy.png"})
    # The page asks for more by itself once the button is near, which moves it: not by the mouse.
    page.locator("#more").evaluate("button => button.click()")
    playwright.expect(page.locator(".tile")).to_have_count(len(paths))
    cosines = model.embed_images(paths) @ model.embed_texts(["an animal"])[0]
    for place, matches in ((2, 3), (5, 20)):
        page.locator("#expected").fill(str(place))
        playwright.expect(page.locator("#expected-words")).to_have_text(f"about {matches} matches")
        for least in (0, 50, 90):
            page.locator("#least").fill(str(least))
            likely = model.calibration.probability(cosines, prior=matches / 61) >= least / 100
            playwright.expect(page.locator(".tile:visible")).to_have_count(int(likely.sum()))


def test_a_picture_is_chosen_dropped_and_pasted(open_page: Callable[..., Page]) -> None:
    page = open_page()
    dog = bundled_drawings()[0].path
    page.set_input_files("#file", dog)
    playwright.expect(page.locator("#status")).to_contain_text("pictures like yours")
    first = page.locator(".tile").first
    playwright.expect(first.locator(".value")).to_have_text("cos 1.00")
    playwright.expect(first.locator(".badge")).to_have_text("+1")
    first.locator("button").click()
    playwright.expect(page.locator("#twins-words")).to_have_text("1 near duplicate")
    page.locator(".twin").click()
    assert {page.inner_text("#name"), titles(page)[0]} == {"copy.png", dog.name}
    page.keyboard.press("Escape")
    for event, field in (("DragEvent", "dataTransfer"), ("ClipboardEvent", "clipboardData")):
        search(page, "a car")
        page.evaluate(
            """async ([kind, field]) => {
                const image = await (await fetch(document.querySelector(".tile img").src)).blob();
                const data = new DataTransfer();
                data.items.add(new File([image], "mine.webp", { type: "image/webp" }));
                const name = kind === "DragEvent" ? "drop" : "paste";
                const event = new window[kind](name, { [field]: data, bubbles: true });
                document.body.dispatchEvent(event);
            }""",
            [event, field],
        )
        playwright.expect(page.locator("#status")).to_contain_text("pictures like yours")
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "a.txt", { type: "text/plain" }));
            dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
        }"""
    )
    playwright.expect(page.locator("#error")).to_contain_text("That is no picture")


def test_no_name_word_or_label_runs_a_script(open_page: Callable[..., Page]) -> None:
    page = open_page(misses=True)
    names = [f"{name}.png".replace("/", "") for name in HOSTILE]
    assert set(names) <= set(page.locator(".tile .title").all_text_contents())
    for word in HOSTILE:
        page.fill("#words", word)
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#hits")).not_to_have_attribute("aria-busy", "true")
    page.goto(page.url.split("?", maxsplit=1)[0] + "?like=<img src=x onerror=window.evil=1>")
    playwright.expect(page.locator("#error")).to_contain_text("no longer in the library")
    page.locator("#clear").click()
    page.locator(".tile button").nth(1).click()
    playwright.expect(page.locator("#name")).to_have_text(re.compile("window.evil|import"))
    page.fill("#list", ",".join(word.replace(",", ";") for word in HOSTILE))
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#shares li")).to_have_count(len(HOSTILE))


@pytest.mark.parametrize(
    "look",
    [
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
        {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
    ],
    ids=["light", "dark", "phone"],
)
def test_axe_finds_nothing_and_nothing_is_cut(
    open_page: Callable[..., Page], look: dict[str, Any]
) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    script = Path(axe.__file__).parent / "axe.min.js"
    page = open_page("/?q=a+dog", bypass_csp=True, **look)
    page.add_script_tag(path=script)

    def require_clean() -> None:
        found = page.evaluate("axe.run()")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0

    require_clean()
    # While more hits are asked for, the pictures are dimmed.
    page.locator("#hits").evaluate("hits => { hits.ariaBusy = true; }")
    playwright.expect(page.locator(".tile img").first).to_have_css("opacity", "0.55")
    require_clean()
    page.locator("#hits").evaluate("hits => { hits.ariaBusy = null; }")
    page.locator(".tile button").first.click()
    page.fill("#list", "dog, cat")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#shares li")).to_have_count(2)
    require_clean()
    page.locator("#similar").click()
    playwright.expect(page.locator("#note")).to_be_visible()
    require_clean()
