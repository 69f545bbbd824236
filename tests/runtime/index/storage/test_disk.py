"""Index in a folder: saved, opened, replaced, shared and locked."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.durable import lock
from twinlens.errors import IndexBusyError, IndexFileError
from twinlens.index.index import Index
from twinlens.index.storage import disk, transaction
from twinlens.index.storage.folder import exclusive
from twinlens.index.storage.manifest import read_manifest

ROWS = np.random.default_rng(0).standard_normal((40, 24))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "index"
    Index.build(ROWS, ids=range(100, 140)).save(path)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files_of(folder: Path) -> set[str]:
    """Names of the files of the index, and of no others."""
    return read_manifest(folder).files() | {"index.lock"}


@pytest.mark.parametrize("ids", [None, range(40), [f"é {n}" for n in range(40)]])
def test_an_opened_index_answers_like_the_one_that_was_saved(
    tmp_path: Path, ids: range | list[str] | None
) -> None:
    built = Index.build(ROWS, ids=ids)
    built.remove([0 if ids is None else ids[0]])  # type: ignore[list-item]
    built.save(tmp_path / "index")
    opened = Index.open(str(tmp_path / "index"), verify=True)
    assert (len(opened), opened.n_rows, opened.width) == (39, 40, 24)
    ours, theirs = built.search(ROWS), opened.search(ROWS)
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    np.testing.assert_array_equal(ours.cosines, theirs.cosines)
    assert names(tmp_path / "index") == files_of(tmp_path / "index")


@pytest.mark.parametrize("shape", [(0, 5), (1, 1)])
def test_the_smallest_indexes_survive_the_disk(tmp_path: Path, shape: tuple[int, int]) -> None:
    Index.build(np.ones(shape)).save(tmp_path / "small")
    index = Index.open(tmp_path / "small", verify=True)
    assert (len(index), index.width) == shape
    assert index.search(np.ones(shape[1])).ids.shape == (1, shape[0])


def test_saving_replaces_the_index_and_leaves_nothing_else(saved: Path) -> None:
    before = Index.open(saved)
    Index.build(ROWS[:5]).save(saved)
    assert (len(before), len(Index.open(saved, verify=True))) == (40, 5)
    np.testing.assert_array_equal(before.search(ROWS, k=1).rows[:, 0], np.arange(40))
    assert names(saved) == files_of(saved)
    assert list(saved.parent.iterdir()) == [saved]


def test_an_opened_index_may_be_saved_over_itself(saved: Path) -> None:
    index = Index.open(saved)
    index.remove([100])
    index.save(saved)
    again = Index.open(saved, verify=True)
    assert (len(again), again.n_rows) == (39, 40)
    (saved.parent / "link").symlink_to(saved)
    index.add(ROWS[:1], ids=[1])
    index.save(saved.parent / "link")
    index.add(ROWS[1:2], ids=[2])
    assert len(Index.open(saved, verify=True)) == len(index) == 41


def test_saving_over_what_another_writer_changed_is_refused(saved: Path) -> None:
    first, second = Index.open(saved), Index.open(saved)
    second.add(ROWS[:1], ids=[1])
    with pytest.raises(IndexBusyError, match="was changed by another writer since it was opened"):
        first.save(saved)
    assert len(Index.open(saved, verify=True)) == 41


def test_an_index_whose_folder_is_gone_may_be_saved_there_again(saved: Path) -> None:
    index = Index.open(saved)
    saved.rename(saved.parent / "moved")
    index.save(saved)
    assert len(Index.open(saved, verify=True)) == 40


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def blocks() -> Iterator[NDArray[np.float64]]:
        yield ROWS[:20]
        monkeypatch.chdir(tmp_path / "elsewhere")
        yield ROWS[20:]

    written = Index.write("index", blocks())
    written.add(ROWS)
    monkeypatch.chdir(tmp_path)
    opened = Index.open("index")
    monkeypatch.chdir(tmp_path / "elsewhere")
    opened.remove([0])
    opened.compact()
    opened.verify()
    assert len(Index.open(tmp_path / "index", verify=True)) == 79
    assert not list((tmp_path / "elsewhere").iterdir())


def without_locks(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(lock, "_lock", refuse)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_has_one_writer_at_a_time(
    saved: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    without_locks(monkeypatch, code)
    index = Index.open(saved)
    index.add(ROWS[:1], ids=[1])
    index.remove([100])
    index.compact()
    assert names(saved) == files_of(saved)
    with exclusive(saved):
        message = rf"is being written by process {os.getpid()} on .*, or delete index\.lock\.held"
        with pytest.raises(IndexBusyError, match=message):
            index.add(ROWS[:1], ids=[2])
        with pytest.raises(IndexBusyError, match=message):
            Index.build(ROWS).save(saved)
    (saved / "index.lock.held").touch()  # a writer was killed before it had written its name
    with pytest.raises(IndexBusyError, match="is being written by another writer"):
        index.remove([101])
    (saved / "index.lock.held").unlink()
    index.remove([101])
    assert len(Index.open(saved, verify=True)) == 39


def test_a_new_index_that_fails_on_a_disk_without_locks_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, errno.ENOSYS)
    with pytest.raises(ValueError, match="embedding 20 holds NaN"):
        Index.write(tmp_path / "index", iter([ROWS[:20], ROWS[20:] * np.nan] * 2000))
    assert not list(tmp_path.iterdir())


def test_a_lock_that_fails_is_no_other_writer(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match=r"the lock failed with .*; write to another disk") as error:
        Index.open(saved).remove([100])
    assert error.value.errno == errno.EIO
    assert not isinstance(error.value, IndexBusyError)


@pytest.mark.parametrize("new", [False, True])
def test_a_write_that_fails_leaves_what_was_there(
    saved: Path, monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left")

    path = saved.parent / "other" if new else saved
    before = names(saved)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        Index.build(ROWS[:5]).save(path)
    with pytest.raises(ValueError, match="embedding 7 holds NaN"):
        Index.write(path, iter([ROWS[:7], ROWS * np.nan]))
    index = Index.open(saved, verify=True)
    with pytest.raises(OSError, match="no space left"):
        index.add(ROWS, ids=range(40))
    with pytest.raises(OSError, match="no space left"):
        index.update(-ROWS, ids=range(120, 160))
    with pytest.raises(OSError, match="no space left"):
        index.merge(Index.build(ROWS, ids=range(40)))
    with pytest.raises(OSError, match="no space left"):
        index.remove([100])
    with pytest.raises(OSError, match="no space left"):
        index.compact()
    assert (len(index), index.n_rows) == (40, 40)
    assert list(saved.parent.iterdir()) == [saved]
    assert names(saved) == before
    assert len(Index.open(saved, verify=True)) == 40
    monkeypatch.undo()
    index.add(ROWS, ids=range(40))
    assert len(Index.open(saved, verify=True)) == 80


def test_a_commit_that_cannot_be_made_last_is_not_taken_back(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Path) -> None:
        raise OSError("the disk is gone")

    index = Index.open(saved)
    monkeypatch.setattr("twinlens.index.storage.transaction.sync_folder", failing)
    with pytest.raises(OSError, match="the disk is gone"):
        index.add(ROWS, ids=range(40))
    assert (len(index), len(Index.open(saved, verify=True))) == (40, 80)
    with pytest.raises(IndexBusyError, match="open it again"):
        index.add(ROWS, ids=range(200, 240))


def test_an_interruption_after_the_rename_takes_nothing_back(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        replace(path, target)
        raise KeyboardInterrupt

    index = Index.open(saved)
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index.add(ROWS, ids=range(40))
    assert (len(index), len(Index.open(saved, verify=True))) == (40, 80)


def test_all_is_on_the_disk_before_the_manifest_is_renamed(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def logged_fsync(descriptor: int) -> None:
        events.append(Path(f"/dev/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    def logged_replace(path: Path, target: Path) -> Path:
        events.append(f"{path.name} -> {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    index = Index.open(saved)
    commit = ["index.json.draft", "index.json.draft -> index.json", saved.name]
    index.add(ROWS, ids=range(40))
    sections = ["rows.1.f32", "codes.1.u8", "terms.1.f32", "ids.1.i64"]
    assert events == [*sections, *commit]
    events.clear()
    index.remove([100])
    assert events == ["removed.3.bits", *commit]
    events.clear()
    index.update(-ROWS[:2], ids=[7, 8])
    assert events == [*sections, "removed.4.bits", *commit]
    events.clear()
    index.compact()
    assert sorted(events[:5]) == sorted(["centre.5.f32", *(s.replace("1", "5") for s in sections)])
    assert events[5:] == commit


def test_what_a_killed_writer_left_is_overwritten_and_swept(saved: Path) -> None:
    for path in saved.iterdir():
        if path.name.startswith(("rows", "codes", "terms", "ids")):
            with path.open("ab") as file:
                file.write(b"x" * 5000)
    (saved / "removed.9.bits").write_bytes(b"x")
    (saved / "rows.7.f32").write_bytes(b"x")
    (saved / "index.json.draft").write_bytes(b"x")
    index = Index.open(saved, verify=True)
    np.testing.assert_array_equal(index.search(ROWS, k=1).ids[:, 0], np.arange(100, 140))
    index.add(ROWS[:2], ids=[1, 2])
    assert len(Index.open(saved, verify=True)) == 42
    assert names(saved) == files_of(saved)
    assert (saved / "rows.1.f32").stat().st_size == 42 * 24 * 4


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_parts_are_merged_so_that_there_are_few(
    saved: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(transaction, "PART_ROWS", 64)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    index = Index.open(saved)
    for start in range(0, 340, batch):
        numbers = np.arange(start, min(340, start + batch))
        index.add(ROWS[numbers % 40], ids=numbers + 1000)
    parts = read_manifest(saved).parts
    assert sum(part.rows for part in parts) == 380
    assert len(parts) <= 380 // 32 + 6
    again = Index.open(saved, verify=True)
    np.testing.assert_array_equal(
        again.search(ROWS[3], filter=again.search(ROWS[3], k=3).ids[0]).ids,
        again.search(ROWS[3], k=3).ids,
    )


def test_a_part_that_was_damaged_is_not_merged_into_a_good_one(saved: Path) -> None:
    index = Index.open(saved)
    flip(saved / "codes.1.u8", 77)
    with pytest.raises(IndexFileError, match=r"codes\.1\.u8 is damaged"):
        index.add(ROWS, ids=range(40))
    assert index.n_rows == Index.open(saved).n_rows == 40


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.add(ROWS[:1], ids=[1]),
        lambda index: index.remove([101]),
        lambda index: index.compact(),
        lambda index: index.update(-ROWS[:1], ids=[101]),
        lambda index: index.merge(Index.build(ROWS[:1], ids=[1])),
    ],
)
def test_a_second_writer_gets_an_error(saved: Path, change: Callable[[Index], None]) -> None:
    first, second = Index.open(saved), Index.open(saved)
    with exclusive(saved):
        with pytest.raises(IndexBusyError, match="is being written by another writer; wait"):
            change(first)
        with pytest.raises(IndexBusyError, match="is being written by another writer; wait"):
            Index.build(ROWS).save(saved)
    change(first)
    with pytest.raises(IndexBusyError, match="was changed by another writer since it was opened"):
        change(second)
    np.testing.assert_array_equal(second.search(ROWS, k=1).ids[:, 0], np.arange(100, 140))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    index = Index.build(ROWS)
    with pytest.raises(FileExistsError, match=r"holds 'notes.txt', which belongs to no index"):
        index.save(tmp_path)
    with pytest.raises(FileExistsError, match="is a file or a device, but an index is a folder"):
        index.save(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*/no; make it first"):
        index.save(tmp_path / "no" / "index")
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]


def test_an_empty_folder_and_what_a_killed_writer_left_may_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "index.lock").touch()
    (tmp_path / "rows.1.f32").write_bytes(b"x" * 9999)
    with pytest.raises(IndexFileError, match=r"is no twinlens index: it has no index\.json"):
        Index.open(tmp_path)
    Index.build(ROWS).save(tmp_path)
    assert len(Index.open(tmp_path, verify=True)) == 40
    assert names(tmp_path) == files_of(tmp_path)


def test_a_reader_in_the_middle_of_a_change_sees_the_old_or_the_new(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the manifest and mapping, its files may be deleted."""
    mapped = disk.map_snapshot
    changes = [
        lambda index: index.remove([100]),
        lambda index: index.compact(),
        lambda index: index.add(ROWS[:1], ids=[1]),
    ]

    def interrupted(*arguments: object, **more: object) -> object:
        if changes:
            monkeypatch.setattr("twinlens.index.storage.memory_map.map_snapshot", mapped)
            change = changes.pop(0)
            change(Index.open(saved))
            monkeypatch.setattr("twinlens.index.storage.memory_map.map_snapshot", interrupted)
        return mapped(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("twinlens.index.storage.memory_map.map_snapshot", interrupted)
    sizes = [len(Index.open(saved, verify=True)) for _ in range(3)]
    assert sizes[-1] == 40
    assert not changes


def test_readers_beside_a_writer_always_see_a_whole_index(tmp_path: Path) -> None:
    vectors = np.random.default_rng(4).standard_normal((600, 8)).astype(np.float32)
    path, done, failures = tmp_path / "index", threading.Event(), []
    Index.write(path, vectors[:10], ids=range(10))

    def read() -> None:
        try:
            while not done.is_set():
                index = Index.open(path)
                ids = index.search(vectors[:1], k=600).ids[0]
                assert len(ids) == len(index)
                assert index.search(vectors[ids], k=1).ids[:, 0].tolist() == ids.tolist()
                index.verify()
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        writer = Index.open(path)
        for start in range(10, 250, 10):
            writer.add(vectors[start : start + 10], ids=range(start, start + 10))
            writer.remove([start - 5])
            if start % 40 == 0:
                writer.compact()
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []


def test_one_index_may_be_searched_while_it_is_changed() -> None:
    vectors = np.random.default_rng(4).standard_normal((900, 8)).astype(np.float32)
    index, done, failures = Index.build(vectors[:10], ids=range(10)), threading.Event(), []

    def read() -> None:
        try:
            while not done.is_set():
                hits = index.search(vectors[0], k=900)
                # Whole batches of ten are there, and none twice.
                assert hits.ids.shape[1] % 10 == 0
                assert sorted(hits.ids[0].tolist()) == list(range(hits.ids.shape[1]))
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for start in range(10, 900, 10):
            index.add(vectors[start : start + 10], ids=range(start, start + 10))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert len(index) == 900


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
