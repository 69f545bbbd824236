"""twinlens browse in a process: the cache it tells, its page, Ctrl-C, and beginnings that fail."""

import importlib.util
import json
import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from browsed_library import BrowseProcess

from twinlens.__main__ import main
from twinlens.demo.samples import bundled_drawings


def test_without_a_folder_it_shows_the_drawings_and_tells_its_cache(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    browse = BrowseProcess("--json", env=os.environ | home)
    try:
        told = "60 pictures; the index is kept in "
        (line,) = [line for line in browse.lines if line.startswith(told)]
        cache = Path(line.removeprefix(told))
        assert (cache / "CACHEDIR.TAG").exists()
        with httpx.Client(base_url=browse.url) as client:
            assert client.get("/").text.startswith("<!doctype html>")
            hits = client.post("/hits", json={"words": "a dog"}).json()["hits"]
            assert hits[0]["title"] == "dog face"
            assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    finally:
        code, out = browse.end()
    assert code == 0
    assert json.loads(out) == {
        "folder": str(bundled_drawings()[0].path.parent.resolve()),
        "cache": str(cache),
        "pictures": 60,
        "unreadable": 0,
        "answered": 3,
    }


def test_a_second_start_embeds_nothing_and_sigterm_ends_it_too(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for drawing in bundled_drawings()[:3]:
        shutil.copy(drawing.path, folder)
    (folder / "torn.png").write_bytes(b"\x89PNG")
    arguments = (str(folder), "demo", "--index", str(tmp_path / "cache"))
    first = BrowseProcess(*arguments)
    assert first.end(signal.SIGTERM)[0] == 0
    second = BrowseProcess(*arguments)
    assert "3 new or changed, 0 gone or changed" in first.lines
    assert not [line for line in second.lines if "new or changed" in line]
    with httpx.Client(base_url=second.url) as client:
        facts = client.get("/library").json()
    assert (facts["pictures"], facts["unreadable"]) == (3, 1)
    assert second.end()[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["torn.png", *(drawing.path.name for drawing in bundled_drawings()[:3])]
    )


def test_a_beginning_that_fails_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    for line, told in (
        ([str(tmp_path / "missing")], "does not exist; check the path"),
        ([str(file)], "is no folder"),
        ([str(tmp_path), "--index", str(tmp_path)], "holds something else"),
        ([str(tmp_path), str(tmp_path), "--index", str(tmp_path / "new")], "is not a bundle"),
    ):
        assert main(["browse", "--no-open", *line]) == 1
        assert told in capsys.readouterr().err
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "platformdirs" else known(name)
    )
    assert main(["browse", "--no-open"]) == 1
    assert capsys.readouterr().err == (
        "twinlens browse: the page needs platformdirs; pip install 'twinlens[browse]'\n"
    )
