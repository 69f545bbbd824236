"""Draw the pictures of both pages in the README.

    python -m bench.browsing.screenshots

Needs chromium, playwright and npm. Shows the drawings inside the package; writes WEBP files into
bench/results.
"""

import functools
import io
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect

from bench.browsing.browse_process import PATIENCE_S, browse, chromium
from bench.harness.paths import ROOT

PICTURES = ROOT / "docs" / "pages" / "pictures"
BUILD = Path(__file__).parents[2] / "examples" / "browser" / "build.py"
QUALITY = 82
DESKTOP: dict[str, Any] = {"viewport": {"width": 1180, "height": 720}, "device_scale_factor": 1.5}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 800},
    "device_scale_factor": 1.5,
    "color_scheme": "dark",
    "is_mobile": True,
    "has_touch": True,
}


def main() -> None:
    """Draw a search, one picture on a phone in the dark, and the model in a browser."""
    with (
        tempfile.TemporaryDirectory() as cache,
        browse("--index", f"{cache}/cache") as url,
        chromium() as browser,
    ):
        page = browser.new_context(**DESKTOP).new_page()
        page.goto(f"{url}?q=an+animal")
        page.locator("#least").fill("50")
        keep(page, PICTURES / "browse.webp")
        page = browser.new_context(**PHONE).new_page()
        page.goto(f"{url}?q=an+animal")
        page.locator(".tile button").first.click()
        page.fill("#list", "fish, cat, bird, bus")
        page.keyboard.press("Enter")
        expect(page.locator("#shares li").first).to_be_visible()
        keep(page, PICTURES / "browse-phone.webp")
    with (
        tempfile.TemporaryDirectory() as work,
        static_page(Path(work)) as url,
        chromium() as browser,
    ):
        page = browser.new_context(**DESKTOP).new_page()
        page.goto(url)
        expect(page.locator("#loading")).to_be_hidden(timeout=PATIENCE_S * 1000)
        page.fill("#words", "something to eat")
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_contain_text("first is")
        draw(page, PICTURES / "browser.webp")


@contextmanager
def static_page(folder: Path) -> Iterator[str]:
    """Build the page of examples/browser and serve it; yield its address."""
    subprocess.run([sys.executable, BUILD, "demo", folder / "page"], check=True)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder / "page")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def keep(page: Page, out: Path) -> None:
    """Write a picture of a page once all of its pictures are there."""
    expect(page.locator(".tile:not(.waiting)").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    draw(page, out)


def draw(page: Page, out: Path) -> None:
    """Write a picture of a page as it is."""
    page.evaluate("document.activeElement.blur()")
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as drawn:
        drawn.convert("RGB").save(out, quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
