"""The site is built without a warning; in a browser its pages fit, and ask no other host."""

import ast
import builtins
import collections.abc
import contextlib
import html
import os
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from static_files import static_files

import twinlens

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
PHONE = {"width": 390, "height": 844}
SIGNATURE = re.compile(r'<div class="[^"]*doc-signature[^"]*">(.*?)</pre>', re.DOTALL)
BASES = re.compile(r'<p class="[^"]*doc-class-bases[^"]*">\s*Bases:(.*?)</p>', re.DOTALL)
OTHERS = {"Image", "Path", "PathLike", "field", "np", "os"}
"""Names of other libraries that signatures have, beside those of the four that are listed."""
KNOWN = {
    *twinlens.__all__,
    *dir(builtins),
    *dir(collections.abc),
    *dir(np),
    *dir(np.typing),
    *dir(typing),
    *OTHERS,
}

pytestmark = pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs pip install '.[docs]'")
Page = Any


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        [*command, "--config-file", str(ROOT / "docs" / "mkdocs.yml")],
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, str]:
    """The text of each page, by its path in the site."""
    found = {path.relative_to(site): path.read_text("utf-8") for path in site.rglob("*.html")}
    assert len(found) > 20
    return found


@pytest.fixture(scope="module")
def reference(pages: dict[Path, str]) -> dict[str, str]:
    """The pages of reference, by name."""
    return {path.name: page for path, page in pages.items() if path.parent.name == "reference"}


def test_pages_load_nothing_of_another_host(site: Path, pages: dict[Path, str]) -> None:
    loaded = r"""<(?:script|link|img|iframe|source|video)\b[^>]*?\b(?:src|href)=["']?(https?:)?//"""
    assert [str(path) for path, page in pages.items() if re.search(loaded, page)] == []
    sheets = [path for path in site.rglob("*.css") if "url(http" in path.read_text("utf-8")]
    assert sheets == []


def test_every_public_name_is_described(reference: dict[str, str]) -> None:
    described = set(re.findall(r'id="[\w.]+\.(\w+)"', "".join(reference.values())))
    assert set(twinlens.__all__) <= described


def text_of(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup)).strip()


def names_in(code: str) -> set[str]:
    """Names that the signature of a function, an attribute or a type reads."""
    for form in (f"def {code}: ...", code):
        with contextlib.suppress(SyntaxError):
            nodes = list(ast.walk(ast.parse(form)))
            return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    raise AssertionError(f"no signature: {code}")


def test_a_signature_names_what_a_reader_can_import(reference: dict[str, str]) -> None:
    strangers, n_signatures = [], 0
    for title, page in reference.items():
        signatures = [text_of(found) for found in SIGNATURE.findall(page)]
        n_signatures += len(signatures)
        bases = [text_of(found) for found in BASES.findall(page)]
        for code in (*signatures, *bases):
            strangers += [f"{title}: {name} in {code}" for name in names_in(code) - KNOWN]
    assert n_signatures > 300
    assert not strangers, "\n".join(strangers)


def test_a_pattern_is_no_emphasis(reference: dict[str, str]) -> None:
    """Two `*` of a docstring would be read as Markdown's italics."""
    found = {text for page in reference.values() for text in re.findall(r"<em>(.*?)</em>", page)}
    assert found <= {"required"}


def test_every_link_ends_at_an_anchor(site: Path, pages: dict[Path, str]) -> None:
    ids = {path: set(re.findall(r'\bid="([^"]+)"', page)) for path, page in pages.items()}
    lost = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links begin at the root of a host
            continue
        for link, anchor in re.findall(r'<a\b[^>]*?href="([^":#]*)(?:#([^"]*))?"', page):
            target = Path(os.path.normpath(path.parent / link)) if link else path
            anchors = ids.get(target, set())
            if not (site / target).is_file() or (anchor and html.unescape(anchor) not in anchors):
                lost.append(f"{path}: {link}#{anchor}")
    assert not lost, "\n".join(lost)


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """The address of the site, served on this computer."""
    with static_files(site) as address:
        yield f"{address}/"


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Page]:
    """A page of a phone's width, which may ask no other host and log no error."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    playwright.expect.set_options(timeout=30_000)  # of a busy machine
    asked: list[str] = []
    told: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_context(viewport=PHONE).new_page()
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("console", lambda line: told.append(line.text))
        opened.on("pageerror", lambda error: told.append(str(error)))
        yield opened
        browser.close()
    assert asked
    assert [one for one in asked if not one.startswith((url, "data:"))] == []
    assert told == []


def test_a_page_is_no_wider_than_a_phone(page: Page, url: str, pages: dict[Path, str]) -> None:
    wide = []
    for path in pages:
        page.goto(f"{url}{path.as_posix()}")
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            wide.append(str(path))
    assert wide == []


def test_the_search_is_found_and_used_by_the_keyboard(page: Page, url: str) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{url}index.html")
    page.keyboard.press("Tab")
    expect(page.locator(".md-skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator(".md-search__input")).to_be_focused()
    page.keyboard.type("ulimit")
    expect(page.locator(".md-search-result__link", has_text="ulimit").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".md-search-result__link").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/(processes|troubleshooting)\.html"))
