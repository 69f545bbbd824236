"""Packages held to their sources: which are kept, and which may stand in a row of a commit."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from bench.harness import machine
from bench.packages import dist
from bench.packages.cross import sources, wheel
from bench.packages.cross.sources import current, note_down, of_others
from bench.processors.emulated import note_sources, require_sources, site_of

BY: Final = ["target", "0.17.0", "3.11"]


def test_a_wheel_is_kept_while_it_and_its_sources_and_recipe_are_the_same(tmp_path: Path) -> None:
    note, made = tmp_path / "made" / "note.json", tmp_path / "one.whl"
    assert current(note, "sources", BY, tmp_path) is None
    made.write_bytes(b"wheel")
    note_down(note, "sources", BY, made)
    assert current(note, "sources", BY, tmp_path) == made
    assert current(note, "other sources", BY, tmp_path) is None
    assert current(note, "sources", [*BY[:-1], "3.12"], tmp_path) is None
    made.write_bytes(b"other wheel")
    assert current(note, "sources", BY, tmp_path) is None
    made.unlink()
    assert current(note, "sources", BY, tmp_path) is None


def test_a_file_of_other_sources_is_told_from_those_that_were_made_of_these(tmp_path: Path) -> None:
    notes = tmp_path / "made"
    made = [tmp_path / name for name in ("one.whl", "two.whl", "three.whl", "four.tar.gz")]
    for path in made:
        path.write_bytes(path.name.encode())
    one, two, three, sdist = made
    for path, of in ((one, "sources"), (two, "older sources"), (sdist, "sources")):
        note_down(notes / f"{path.name}.json", of, BY, path)
    assert of_others(made, "sources", notes) == [two, three]
    one.write_bytes(b"compiled by somebody else")
    assert of_others(made, "sources", notes) == [one, two, three]
    assert of_others([], "sources", notes) == []


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit in place of this one; its record is `rows.json` and `page.md`."""
    folder = tmp_path / "clone"
    (folder / "runtime").mkdir(parents=True)
    (folder / "runtime" / "a module.py").write_text("one = 1\n", encoding="utf-8")
    (folder / "rows.json").write_text("{}\n", encoding="utf-8")
    (folder / ".gitignore").write_text("/dist/\n", encoding="utf-8")
    monkeypatch.setattr(sources, "ROOT", folder)
    monkeypatch.setattr(machine, "ROOT", folder)
    monkeypatch.setattr(dist, "ROOT", folder)
    monkeypatch.setattr(dist, "RESULT", folder / "rows.json")
    monkeypatch.setattr(dist, "PAGE", folder / "page.md")
    _git(folder, "init", "-q")
    _commit(folder)
    return folder


def _commit(folder: Path) -> None:
    _git(folder, "add", "-A")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    _git(folder, *author, "commit", "-q", "-m", "a commit", "--no-verify")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def test_a_row_names_a_commit_that_has_all_that_is_there(clone: Path) -> None:
    at = machine.commit()
    module, rows = clone / "runtime" / "a module.py", clone / "rows.json"
    dist.require_commit(at)
    rows.write_text("[]\n", encoding="utf-8")
    (clone / "dist").mkdir()
    (clone / "dist" / "one.whl").touch()
    dist.require_commit(at)
    (clone / "runtime" / "new.py").touch()
    with pytest.raises(SystemExit, match=r": runtime/new\.py; commit them first$"):
        dist.require_commit(at)
    module.rename(module.with_name("other.py"))
    _git(clone, "add", "-A")
    names = "runtime/a module.py, runtime/new.py, runtime/other.py"
    with pytest.raises(SystemExit, match=f": {re.escape(names)}; commit"):
        dist.require_commit(at)
    _commit(clone)
    with pytest.raises(SystemExit, match=f"^{machine.commit()} is checked out, and {at} was when"):
        dist.require_commit(at)
    dist.require_commit(machine.commit())


def test_a_digest_of_the_sources_is_of_their_names_and_contents(clone: Path) -> None:
    before = sources.digest()
    (clone / "rows.json").write_text("[]\n", encoding="utf-8")
    assert sources.digest() == before, "no package has it"
    module = clone / "runtime" / "a module.py"
    renamed = module.rename(module.with_name("other.py"))
    assert sources.digest() != before
    renamed.rename(module)
    assert sources.digest() == before
    module.write_text("one = 2\n", encoding="utf-8")
    assert sources.digest() != before


def test_a_package_of_other_sources_than_those_checked_out_is_refused(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "made"
    monkeypatch.setattr(wheel, "MADE", notes)
    (clone / "dist").mkdir()
    one, two = clone / "dist" / "one.whl", clone / "dist" / "two.tar.gz"
    for path in (one, two):
        path.write_bytes(path.name.encode())
        note_down(notes / f"{path.name}.json", sources.digest(), BY, path)
    assert dist.packages(clone / "dist") == ([one], [two])
    (clone / "runtime" / "new.py").touch()
    with pytest.raises(SystemExit, match=r"not made of .*: one\.whl, two\.tar\.gz; run"):
        dist.packages(clone / "dist")
    (clone / "runtime" / "new.py").unlink()
    two.write_bytes(b"made elsewhere")
    with pytest.raises(SystemExit, match=r": two\.tar\.gz; run: build"):
        dist.packages(clone / "dist")


def test_a_root_of_another_processor_is_held_to_its_sources(clone: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    site_of(root).mkdir(parents=True)
    with pytest.raises(SystemExit, match=f"arm_root {re.escape(str(root))}$"):
        require_sources(root)
    note_sources(root, sources.digest())
    require_sources(root)
    (clone / "runtime" / "new.py").touch()
    with pytest.raises(SystemExit, match="not of the sources checked out"):
        require_sources(root)
