"""Draw the pictures of the page in the README.

    python -m bench.browsing.screenshots

Needs chromium and playwright. Shows the drawings inside the package; writes WEBP files into
bench/results.
"""

import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect

from bench.browsing.browse_process import browse, chromium
from bench.harness.paths import RESULTS

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
    """Draw a search on a desktop, and one picture on a phone in the dark."""
    with (
        tempfile.TemporaryDirectory() as cache,
        browse("--index", f"{cache}/cache") as url,
        chromium() as browser,
    ):
        page = browser.new_context(**DESKTOP).new_page()
        page.goto(f"{url}?q=an+animal")
        page.locator("#least").fill("50")
        keep(page, RESULTS / "browse.webp")
        page = browser.new_context(**PHONE).new_page()
        page.goto(f"{url}?q=an+animal")
        page.locator(".tile button").first.click()
        page.fill("#list", "fish, cat, bird, bus")
        page.keyboard.press("Enter")
        expect(page.locator("#shares li").first).to_be_visible()
        keep(page, RESULTS / "browse-phone.webp")


def keep(page: Page, out: Path) -> None:
    """Write a picture of a page once all of its pictures are there."""
    expect(page.locator(".tile:not(.waiting)").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur()")
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as drawn:
        drawn.convert("RGB").save(out, quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
