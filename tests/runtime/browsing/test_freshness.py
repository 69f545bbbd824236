"""Freshness of the index: new, changed and vanished files; killed in the middle; damaged."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsed_library import picture_files

from twinlens import Index, Model
from twinlens.browsing.library import freshness
from twinlens.browsing.library.cache import TAG, Cache
from twinlens.browsing.library.catalogue import Catalogue
from twinlens.browsing.library.freshness import Freshened, freshen
from twinlens.browsing.library.picture_file import PictureFile, list_pictures
from twinlens.demo.samples import bundled_drawings

DRAWINGS = [drawing.path for drawing in bundled_drawings()[:9]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = (tmp_path / "pictures").resolve()
    (found / "sub").mkdir(parents=True)
    for number, path in enumerate(DRAWINGS):
        shutil.copy(path, (found / "sub" if number % 2 else found) / path.name)
    return found


def names(place: Path) -> list[str]:
    return sorted(PictureFile.of_id(one).name for one in Index.open(place).ids.tolist())


def made(place: Path, folder: Path, model: Model) -> Freshened:
    return freshen(place, folder, picture_files(folder), model)


def test_only_what_changed_is_embedded(
    folder: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "index"
    first = made(place, folder, model)
    assert (first.added, first.removed, first.lost) == (9, 0, ())
    drawn: list[str] = []

    def counted(images: Iterable[Any]) -> Iterator[Any]:
        for image in images:
            drawn.append(Path(image.image).name)
            yield image

    new, changed, vanished = folder / "new.png", folder / DRAWINGS[0].name, folder / "sub"
    shutil.copy(bundled_drawings()[20].path, new)
    shutil.copyfile(bundled_drawings()[21].path, changed)
    (vanished / DRAWINGS[1].name).unlink()
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    second = freshen(place, folder, picture_files(folder), model, count=counted)
    assert sorted(drawn) == sorted([changed.name, "new.png", "torn.png"])
    assert (second.added, second.removed, second.lost) == (2, 2, ("torn.png",))
    kept = [file for file in picture_files(folder) if file.name != "torn.png"]
    assert names(place) == sorted(file.name for file in kept)
    rows = Index.open(place).get([file.id for file in kept])
    expected = model.embed_images([folder / file.name for file in kept])
    np.testing.assert_allclose((rows * expected).sum(axis=1), 1, atol=1e-6)
    third = freshen(place, folder, kept, model, count=counted)
    assert (third.added, third.removed) == (0, 0)


def test_an_empty_folder_has_an_empty_index(tmp_path: Path, folder: Path, model: Model) -> None:
    place = tmp_path / "index"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert made(place, empty, model).added == 0
    assert len(Index.open(place)) == 0
    assert made(place, folder, model).added == 9
    assert made(place, empty, model).removed == 9
    assert len(Index.open(place)) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
import twinlens
from browsed_library import picture_files
from twinlens.browsing.library import freshness
freshness.ROWS_A_COMMIT = 2
place, folder = map(Path, sys.argv[1:])
add = twinlens.Index.add
def add_and_die(index, *rows):
    add(index, *rows)
    os.kill(os.getpid(), signal.SIGKILL)
twinlens.Index.add = add_and_die
model = twinlens.load("demo", device="cpu", threads=2)
freshness.freshen(place, folder, picture_files(folder), model)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_process_loses_no_commit(
    folder: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, whole = tmp_path / "index", tmp_path / "whole"
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(place), str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=120,
    )
    assert run.returncode == -signal.SIGKILL
    assert len(Index.open(place, verify=True)) == 4
    assert made(place, folder, model).added == 5
    made(whole, folder, model)
    ids = sorted(Index.open(whole).ids.tolist())
    assert ids == sorted(Index.open(place).ids.tolist())
    assert Index.open(place).get(ids).tobytes() == Index.open(whole).get(ids).tobytes()


def test_a_damaged_index_is_made_again(
    folder: Path, tmp_path: Path, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "index"
    made(place, folder, model)
    manifest = place / "manifest.json" if (place / "manifest.json").exists() else None
    manifest = manifest or next(one for one in place.iterdir() if one.suffix == ".json")
    manifest.write_text("{}", encoding="ascii")
    with caplog.at_level(logging.WARNING):
        assert made(place, folder, model).added == 9
    assert "made again" in caplog.text


def test_many_changes_are_compacted(
    folder: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "ROWS_A_COMMIT", 2)
    place = tmp_path / "index"
    made(place, folder, model)
    for path in picture_files(folder)[:6]:
        (folder / path.name).unlink()
    made(place, folder, model)
    assert Index.open(place).n_rows == len(Index.open(place)) == 3


def test_links_out_of_the_folder_and_the_cache_are_left_out(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    shutil.copy(DRAWINGS[0], outside)
    (folder / "out.png").symlink_to(outside)
    (folder / "in.png").symlink_to(folder / DRAWINGS[0].name)
    (folder / "cache").mkdir()
    shutil.copy(DRAWINGS[0], folder / "cache" / "thumbnail.png")
    found = list(list_pictures(folder, besides=folder / "cache"))
    told = [one for one in found if isinstance(one, str)]
    listed = {one.name for one in found if isinstance(one, PictureFile)}
    assert len(told) == 1
    assert "out.png is a link that leads out of the folder" in told[0]
    assert "in.png" in listed
    assert not listed & {"out.png", "cache/thumbnail.png"}


def test_the_cache_is_the_users_own_and_no_other_folder_is_taken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    before = sorted(folder.rglob("*"))
    cache = Cache.of(folder)
    cache.claim()
    cache.claim()
    assert sys.platform != "linux" or cache.folder.is_relative_to(tmp_path / "home" / "twinlens")
    assert cache.folder != Cache.of(folder / "sub").folder
    assert (cache.folder / TAG).read_text("ascii").startswith("Signature: 8a477f597d28d172789f")
    assert sorted(folder.rglob("*")) == before
    about = {"model": "a", "operators": "avx2"}
    assert cache.index(about) == cache.index(about | {"operators": "amx"})
    assert cache.index(about) != cache.index(about | {"model": "b"})
    with pytest.raises(FileExistsError, match="holds something else"):
        Cache(folder=folder).claim()


def test_numbers_are_newest_first_and_references_are_of_one_content() -> None:
    files = [PictureFile("b", 1, 5), PictureFile("a", 1, 5), PictureFile("c:d/\udcff", 2, 9)]
    catalogue = Catalogue([one.id for one in files], titles={"a": "an apple"})
    assert [catalogue[n].name for n in range(3)] == ["c:d/\udcff", "a", "b"]
    assert [catalogue.title(n) for n in range(3)] == ["\\udcff", "an apple", "b"]
    references = [catalogue.reference(n) for n in range(3)]
    assert [catalogue.find(one) for one in references] == [0, 1, 2]
    swapped = references[0].replace("0-", "1-")
    wrong = [
        swapped,
        "3-" + "0" * 16,
        "0",
        "../../etc/passwd",
        "-1-" + "0" * 16,
        references[0] + "\n",
    ]
    assert [catalogue.find(one) for one in wrong] == [None] * len(wrong)
    assert catalogue.numbers_of([files[0].id, "0:0:new"]) == [2, -1]
