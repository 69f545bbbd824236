"""Folders and patterns: as Python's glob finds them, and no folder is listed that cannot fit."""

import glob
import inspect
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinlens.datasets.image_folder import files_in_folder, files_matching
from twinlens.errors import ImageError
from twinlens.images.named_image import NamedImage

NAMES = ("a", "b", "ab", "c.png", ".h", "d1", "f.png", "g.jpg", ".i.png", "@eaDir")
PARTS = ("*", "**", "a*", "?", "[a-c]*", ".*", "d1", "*.png", "b", "f.png", "[!a]*", "@eaDir")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred files at several depths, hidden ones among them."""
    rng, top = random.Random(0), tmp_path_factory.mktemp("tree")
    for _ in range(300):
        path = top.joinpath(*rng.choices(NAMES, k=rng.randrange(1, 5)))
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return top


def by_glob(pattern: str) -> list[str]:
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207  the independent answer
    # Of "f.png/", which glob gives for "f.png/**", Path would forget the slash.
    found = [path for path in set(found) if os.path.isfile(path)]  # noqa: PTH113
    # Of names that people do not give, glob knows only the dot.
    return sorted(path for path in found if "@eaDir" not in path or "@eaDir" in pattern)


@pytest.mark.parametrize("seed", range(40))
def test_a_pattern_finds_the_files_that_glob_finds(
    tree: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tree)
    rng = random.Random(seed)
    for _ in range(10):
        pattern = "/".join(["*", *rng.choices(PARTS, k=rng.randrange(0, 4))])
        found = [str(path) for path in files_matching(pattern)]
        if "@eaDir" not in pattern:
            assert sorted(found) == by_glob(pattern), pattern
        assert found == sorted(set(found), key=lambda name: Path(name).parts), pattern


def test_a_folder_is_read_without_its_hidden_files(tree: Path) -> None:
    found = [str(path) for path in files_in_folder(tree, wanted=lambda p: p.suffix == ".png")]
    assert found == sorted(by_glob(f"{tree}/**/*.png"), key=lambda name: Path(name).parts)


@pytest.mark.parametrize(
    "name", ["._a.png", ".thumbnails/a.png", "@eaDir/a.png/b.png", "__MACOSX/._a.png", "x/.a.png"]
)
def test_a_hidden_file_is_found_by_its_own_name_only(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert list(files_in_folder(tmp_path, wanted=lambda _: True)) == []
    for pattern in ("*", "**", "**/*.png", "*/*", "*/*/*"):
        assert list(files_matching(f"{tmp_path}/{pattern}")) == []
    shown = "/".join(f"{part[0]}*" for part in Path(name).parts)
    assert list(files_matching(f"{tmp_path}/{shown}")) == [path]
    # The folder itself may be hidden: its name is given.
    above = path.parent if path.parent != tmp_path else tmp_path
    assert bool(list(files_in_folder(above, wanted=lambda _: True))) == (path.name[0] != ".")


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the folders that are listed; those named "secret" must not be."""
    names: list[str] = []
    scandir = os.scandir

    def listing(path: Path) -> object:
        names.append(Path(path).name)
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listing)
    return iter([names])  # type: ignore[list-item]


def test_only_folders_that_a_pattern_can_reach_are_listed(
    tmp_path: Path, listed: Iterator[list[str]]
) -> None:
    (names,) = listed
    for name in ("cache/1/2", "2031/jan", "2032/jan"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.png").touch()
    for pattern, folders, count in (
        ("*.png", [tmp_path.name], 0),
        ("203?/jan/*.png", [tmp_path.name, "jan", "jan"], 2),
        ("203?/jan/a.png", [tmp_path.name], 2),
        ("2*/*/a.png", [tmp_path.name, "2031", "2032"], 2),
    ):
        names.clear()
        assert len(list(files_matching(f"{tmp_path}/{pattern}"))) == count
        # The first is opened once more, before any work.
        assert names[1:] == folders, pattern


def test_a_folder_that_cannot_be_listed_is_one_lost_image(
    tmp_path: Path, listed: Iterator[list[str]]
) -> None:
    for name in ("a", "secret", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    for found in (
        files_in_folder(tmp_path, wanted=lambda _: True),
        files_matching(f"{tmp_path}/**/*.png"),
        files_matching(f"{tmp_path}/*/*.png"),
    ):
        first, lost, last = found
        assert (first, last) == (tmp_path / "a/1.png", tmp_path / "z/1.png")
        assert isinstance(lost, NamedImage)
        assert lost.name == str(tmp_path / "secret")
        with pytest.raises(ImageError, match="secret cannot be read: Permission denied"):
            raise lost.image  # type: ignore[misc]
    # A name below it needs no listing.
    assert list(files_matching(f"{tmp_path}/s*/1.png")) == [tmp_path / "secret/1.png"]
    with pytest.raises(PermissionError):
        list(files_in_folder(tmp_path / "secret", wanted=lambda _: True))


def test_a_link_to_itself_is_one_lost_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").symlink_to("b.png")
    (tmp_path / "c.txt").symlink_to("c.txt")
    for found in (
        files_in_folder(tmp_path, wanted=lambda path: path.suffix == ".png"),
        files_matching(f"{tmp_path}/*.png"),
        files_matching(f"{tmp_path.parent}/{tmp_path.name[:-1]}?/[ab].png"),
    ):
        first, lost = found
        assert first == tmp_path / "a.png"
        assert isinstance(lost, NamedImage)
        assert "Too many levels of symbolic links" in str(lost.image)


def test_links_to_folders_are_followed_where_a_pattern_tells_their_depth(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.png").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/loop").symlink_to(tmp_path)
    assert list(files_matching(f"{tmp_path}/l*/*.png")) == [tmp_path / "link/a.png"]
    assert list(files_matching(f"{tmp_path}/**/*.png")) == [tmp_path / "real/a.png"]
    assert list(files_in_folder(tmp_path, wanted=lambda _: True)) == [tmp_path / "real/a.png"]


def test_pipes_and_links_to_nothing_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to("nowhere.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    assert list(files_in_folder(tmp_path, wanted=lambda _: True)) == []
    assert list(files_matching(f"{tmp_path}/*.png")) == []


def test_folders_may_be_nested_deeper_than_pythons_stack(tmp_path: Path) -> None:
    depth = 300
    limit = sys.getrecursionlimit()
    folders = [tmp_path]
    for _ in range(depth):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    file = folders[-1] / "a.png"
    file.touch()
    sys.setrecursionlimit(len(inspect.stack()) + depth // 2)
    try:
        assert list(files_in_folder(tmp_path, wanted=lambda _: True)) == [file]
        assert list(files_matching(f"{tmp_path}/**/*.png")) == [file]
    finally:
        sys.setrecursionlimit(limit)
