"""GET /thumbnails and /views: pictures by number, made anew; and the headers of every answer."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsed_library import Browsed, browsed
from http_servers import LoopThread
from PIL import Image

from twinlens import Model
from twinlens.browsing.page_app import HEADERS
from twinlens.browsing.routes.page import STATIC

RED, WHITE = (200, 30, 30), (255, 255, 255)


@pytest.fixture(scope="module")
def odd(
    loop: LoopThread, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browsed]:
    """Pictures that are transparent, turned, large, and about to leave."""
    folder = tmp_path_factory.mktemp("odd").resolve()
    Image.new("RGBA", (60, 40), (*RED, 0)).save(folder / "clear.png")
    turned = Image.new("RGB", (1200, 600), RED)
    turned.paste(WHITE, (0, 0, 600, 600))
    exif = turned.getexif()
    exif[274] = 6
    turned.save(folder / "turned.jpg", exif=exif, quality=95)
    Image.new("RGB", (40, 4000), RED).save(folder / "tall.png")
    for name in ("gone.png", "linked.png", "changed.png"):
        Image.new("RGB", (30, 30), RED).save(folder / name)
    with browsed(loop, folder, tmp_path_factory.mktemp("odd-cache"), model) as found:
        yield found


def ref(served: Browsed, name: str) -> str:
    catalogue = served.library.catalogue
    number = next(n for n in range(len(catalogue)) if catalogue[n].name == name)
    return catalogue.reference(number)


def picture(served: Browsed, name: str, kind: str = "thumbnails") -> Image.Image:
    answer = served.page.get(f"/{kind}/{ref(served, name)}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    found = Image.open(io.BytesIO(answer.content))
    assert found.format == "WEBP"
    return found.convert("RGB")


def close(image: Image.Image, place: tuple[float, float], colour: tuple[int, int, int]) -> bool:
    at = (int(place[0] * image.width), int(place[1] * image.height))
    return bool(np.abs(np.subtract(image.getpixel(at), colour)).max() < 12)


def test_thumbnails_are_upright_whole_and_on_the_background_of_the_reading(odd: Browsed) -> None:
    clear, turned, tall = (picture(odd, name) for name in ("clear.png", "turned.jpg", "tall.png"))
    assert clear.size == (60, 40)
    assert close(clear, (0.5, 0.5), WHITE)
    assert turned.size == (256, 512)
    assert close(turned, (0.5, 0.2), WHITE)
    assert close(turned, (0.5, 0.8), RED)
    assert tall.size == (8, 768)
    assert picture(odd, "turned.jpg", "views").size == (600, 1200)


def test_a_thumbnail_is_made_once_by_content(
    loop: LoopThread, model: Model, tmp_path: Path
) -> None:
    folder, cache = (tmp_path / "pictures").resolve(), tmp_path / "cache"
    folder.mkdir()
    Image.new("RGB", (30, 30), RED).save(folder / "a.png")
    shutil.copyfile(folder / "a.png", folder / "b.png")
    with browsed(loop, folder, cache, model) as served:
        first = served.page.get(f"/thumbnails/{ref(served, 'a.png')}").content
        (kept,) = (cache / "thumbnails").rglob("*.webp")
        written = kept.stat().st_mtime_ns
        assert served.page.get(f"/thumbnails/{ref(served, 'b.png')}").content == first
    with browsed(loop, folder, cache, model) as served:
        assert served.page.get(f"/thumbnails/{ref(served, 'a.png')}").content == first
        assert [*(cache / "thumbnails").rglob("*.webp")] == [kept]
        assert kept.stat().st_mtime_ns == written
        kept.write_bytes(first[:-1])  # as a loss of power leaves it
        assert served.page.get(f"/thumbnails/{ref(served, 'a.png')}").content == first
        assert kept.read_bytes() == first
        assert not list((cache / "thumbnails").rglob(".*"))


def test_a_file_that_left_the_folder_is_not_shown(odd: Browsed, tmp_path: Path) -> None:
    folder = odd.library.folder
    secret = tmp_path / "secret.png"
    Image.new("RGB", (30, 30), WHITE).save(secret)
    for name in ("gone.png", "linked.png", "changed.png"):
        picture(odd, name)
    (folder / "gone.png").unlink()
    (folder / "linked.png").unlink()
    (folder / "linked.png").symlink_to(secret)
    (folder / "changed.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", "ascii")
    for kind in ("thumbnails", "views"):
        for name, told in (("gone.png", "no longer there"), ("linked.png", "no longer below")):
            answer = odd.page.get(f"/{kind}/{ref(odd, name)}")
            assert (answer.status_code, told in answer.text) == (404, True)
            assert str(folder) not in answer.text
    assert odd.page.get(f"/views/{ref(odd, 'changed.png')}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/thumbnails/..%2f..%2fetc%2fpasswd",
        "/views/0",
        "/views/0-0000000000000000",
        "/views/999999999-0000000000000000",
        "/page.css/../../page_app.py",
        "/..%2fpage_app.py",
        "/static/page.css",
        "/v1/embeddings",
        "/metrics",
    ],
)
def test_nothing_but_numbers_and_the_page_is_served(served: Browsed, path: str) -> None:
    assert served.page.get(path).status_code in {404, 405}


def test_every_answer_has_the_headers_of_the_page(served: Browsed) -> None:
    some = served.page.post("/hits", json={}).json()["hits"][0]["ref"]
    answers = [
        served.page.get(path)
        for path in ("/", "/page.js", "/icon.svg", "/nothing", f"/thumbnails/{some}")
    ]
    answers.append(served.page.get("/", headers={"host": "evil.example"}))
    answers.append(served.page.post("/hits", content=b"{}"))
    assert [one.status_code for one in answers] == [200, 200, 200, 404, 200, 400, 415]
    for answer in answers:
        assert dict(HEADERS).items() <= dict(answer.headers).items()
    assert (
        "default-src 'none'; script-src 'self'; style-src 'self'"
        in dict(HEADERS)["content-security-policy"]
    )


def test_the_page_asks_no_other_host(served: Browsed) -> None:
    for name in STATIC.keys() - {"/icon.svg"}:
        text = served.page.get(name).text
        assert re.search(r"https?:|[\"'(]//", text) is None
