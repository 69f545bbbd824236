"""Measure the page: from a key press to the first hit, in a real browser.

    python -m bench.browsing.first_hit --pictures 10000 100000

Makes that many small files and an index of random unit rows beside those of the drawings, as if
they had been embedded: a search costs the same, and the index is made in seconds. Two presses are
timed: Enter, and the last letter of a word, after which the page waits 120 ms for another one.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

import twinlens
from bench.browsing.browse_process import browse, chromium
from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.results_file import place_of
from twinlens.browsing.library.cache import Cache
from twinlens.browsing.library.picture_file import PictureFile, list_pictures
from twinlens.demo.samples import bundled_drawings

QUERIES = ("a dog", "a cat", "a red car", "pizza", "a sad face", "snow", "a tree", "an apple")
ROUNDS = 3
FILES_A_FOLDER = 1000
WATCH = """() => {
    performance.setResourceTimingBufferSize(100000);
    window.times = [];
    let pressed = 0, key = "";
    addEventListener("keydown", (event) => { pressed = performance.now(); key = event.key; }, true);
    new MutationObserver((changes) => {
        const added = changes.flatMap((one) => [...one.addedNodes])
            .filter((one) => one.matches?.(".tile:not(.waiting)"));
        if (!pressed || !added.length) return;
        const start = pressed, by = key;
        pressed = 0;
        requestAnimationFrame(() => setTimeout(() => times.push([by, performance.now() - start])));
    }).observe(document.getElementById("hits"), { childList: true });
}"""
"""The first task behind a frame: the tiles are on the screen."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every size, and write the figures."""
    parser = parser_of("bench.browsing.first_hit", __doc__)
    parser.add_argument("--pictures", nargs="+", type=int, default=[10_000, 100_000])
    parser.add_argument("--out", type=Path, default=place_of("browse", processor()))
    options = parser.parse_args(arguments)
    figures = []
    for count in options.pictures:
        with tempfile.TemporaryDirectory() as work:
            figures.append(timed(Path(work).resolve(), count))
            print(json.dumps(figures[-1]), flush=True)
    document = {
        "commit": commit(),
        "processor": processor(),
        "versions": versions(["twinlens", "playwright", "starlette", "uvicorn", "pillow"]),
        "figures": figures,
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def timed(work: Path, count: int) -> dict[str, Any]:
    """Return the figures of a library of so many pictures."""
    folder, cache = work / "pictures", Cache(folder=work / "cache")
    cache.claim()
    write_pictures(folder, count)
    write_index(folder, cache)
    start = time.perf_counter()
    with browse(str(folder), "demo", "--index", str(cache.folder)) as url, chromium() as browser:
        ready_s = time.perf_counter() - start
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(url)
        expect(page.locator("#status")).to_contain_text("newest first")
        page.evaluate(WATCH)
        for _ in range(ROUNDS):
            for query in QUERIES:
                press(page, query)
        times = page.evaluate("times")
        served = page.evaluate(
            """performance.getEntriesByType("resource").filter((one) => one.name.endsWith("/hits"))
                .map((one) => one.responseEnd - one.requestStart).filter((one) => one > 0)"""
        )
        deep_s = scrolled_s(page)
    enter = [ms for key, ms in times if key == "Enter"]
    letter = [ms for key, ms in times if key != "Enter"]
    return {
        "pictures": count,
        "start_s": round(ready_s, 2),
        "enter_ms": summary(enter),
        "letter_ms": summary(letter),
        "server_and_loopback_ms": summary(served),
        "ten_pages_scrolled_s": round(deep_s, 2),
    }


def press(page: Page, query: str) -> None:
    """Search twice: by the last letter, and by Enter on another word."""
    for words, key in ((query[:-1], query[-1]), (f"{query} outside", "Enter")):
        page.evaluate("words => { document.getElementById('words').value = words }", words)
        page.focus("#words")
        seen = page.evaluate("times.length")
        page.keyboard.press(key)
        while page.evaluate("times.length") == seen:
            page.wait_for_timeout(20)


def scrolled_s(page: Page) -> float:
    """Return seconds for ten pages of all pictures, scrolled to as they come."""
    page.click("#clear")
    expect(page.locator("#status")).to_contain_text("newest first")
    start = time.perf_counter()
    for number in range(2, 12):
        page.mouse.wheel(0, 10**6)
        while page.locator(".tile").count() < 60 * number:
            page.mouse.wheel(0, 10**6)
            page.wait_for_timeout(20)
    return time.perf_counter() - start


def write_pictures(folder: Path, count: int) -> None:
    """Write the drawings, and small files of one colour each."""
    folder.mkdir()
    for drawing in bundled_drawings():
        shutil.copy(drawing.path, folder)
    for number in range(count - len(bundled_drawings())):
        part = folder / f"{number // FILES_A_FOLDER:03}"
        if number % FILES_A_FOLDER == 0:
            part.mkdir()
        colour = tuple(number >> shift & 255 for shift in (16, 8, 0))
        Image.new("RGB", (8, 8), colour).save(part / f"{number}.png", compress_level=1)


def write_index(folder: Path, cache: Cache) -> None:
    """Write the index that the page would make, with random rows for all but the drawings."""
    with twinlens.load("demo") as model:
        found = list_pictures(folder, besides=cache.folder)
        files = [one for one in found if isinstance(one, PictureFile)]
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((len(files), model.width), dtype=np.float32)
        drawn = [number for number, file in enumerate(files) if "/" not in file.name]
        rows[drawn] = model.embed_images([folder / files[number].name for number in drawn])
        ids = [file.id for file in files]
        twinlens.Index.write(cache.index(model.about), rows, ids=ids, about=model.about)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the 95th percentile and the largest."""
    found = np.percentile(values, [50, 95, 100]).round(1)
    return dict(zip(("median", "p95", "max"), found.tolist(), strict=True))


if __name__ == "__main__":
    main()
