"""Rows that come one at a time and are committed many at a time."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import ClosedError, IdError, IndexBusyError, ProviderError
from twinlens.index.index import Index

ROWS = np.random.default_rng(0).standard_normal((40, 24)).astype(np.float32)
NAMES = [f"picture {number}" for number in range(40)]


def test_rows_share_a_commit_and_are_safe_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = 0

    def count(_: int) -> None:
        nonlocal synced
        synced += 1

    index = Index.write(tmp_path / "index", ROWS[:10], ids=NAMES[:10])
    monkeypatch.setattr(os, "fsync", count)
    with index.writer(size=12) as writer:
        for row in range(10, 33):
            writer.add(ROWS[row], [NAMES[row]])
        assert (len(writer), len(index), synced) == (11, 22, 8)
        writer.add(ROWS[33:36], NAMES[33:36])
        assert (len(writer), len(index), synced) == (0, 36, 16)
        writer.add(ROWS[36], [NAMES[36]])
        writer.commit()
        writer.add(ROWS[37:], NAMES[37:])
        assert NAMES[39] not in index
    assert Index.open(tmp_path / "index", verify=True).ids.tolist() == NAMES
    np.testing.assert_array_equal(index.search(ROWS, k=1).rows[:, 0], np.arange(40))


def test_a_row_that_is_refused_takes_no_other_with_it(tmp_path: Path) -> None:
    index = Index.write(tmp_path / "index", ROWS[:10], ids=NAMES[:10])
    with index.writer() as writer:
        writer.add(ROWS[10], ["a"])
        for rows, ids, message in [
            (ROWS[11], ["a"], "id 'a' is given twice"),
            (ROWS[11:13], ["b", "b"], "id 'b' is given twice"),
            (ROWS[11], [NAMES[3]], "id 'picture 3' is in the index already"),
            (ROWS[11], None, "got no ids, but the index has strings"),
            (ROWS[11], [7], "got integers as ids, but the index has strings"),
            (ROWS[11] * np.nan, ["b"], "embedding 0 holds NaN"),
            (ROWS[11, 1:], ["b"], "embeddings have width 23, but the index has width 24"),
        ]:
            with pytest.raises(ValueError, match=message):
                writer.add(rows, ids)
        writer.add(ROWS[11].tolist(), ["b"])
        writer.add(iter([ROWS[12:13], ROWS[13:14]]), iter(["c", "d"]))
    assert index.ids.tolist() == [*NAMES[:10], "a", "b", "c", "d"]
    np.testing.assert_array_equal(index.search(ROWS[:14], k=1).rows[:, 0], np.arange(14))


def test_an_error_in_the_block_loses_no_row_that_was_added() -> None:
    index = Index.build(ROWS[:10])
    writer = index.writer()

    def stopped() -> None:
        with writer:
            writer.add(ROWS[10])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert index.search(ROWS[10], k=1).rows.tolist() == [[10]]
    with pytest.raises(ClosedError, match="the writer has ended with its block; take another"):
        writer.add(ROWS[11])


def test_rows_wait_on_if_their_commit_fails(tmp_path: Path) -> None:
    index = Index.write(tmp_path / "index", ROWS[:10], ids=NAMES[:10])
    writer = index.writer()
    writer.add(ROWS[10], ["a"])
    index.add(ROWS[11:12], ["a"])
    with pytest.raises(IdError, match="id 'a' is in the index already"):
        writer.commit()
    assert len(writer) == 1
    index.remove(["a"])
    writer.commit()
    assert (len(writer), len(index)) == (0, 11)
    writer.add(ROWS[12], ["b"])
    Index.open(tmp_path / "index").remove(["a"])
    with pytest.raises(IndexBusyError, match="was changed by another writer"):
        writer.commit()


def test_any_thread_may_add() -> None:
    index = Index.build(ROWS[:0])
    with index.writer(size=7) as writer:

        def add(first: int) -> None:
            for row in range(first, 40, 4):
                writer.add(ROWS[row], [row])

        threads = [threading.Thread(target=add, args=[first]) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(index.ids.tolist()) == list(range(40))
    np.testing.assert_array_equal(index.search(ROWS, k=1).ids[:, 0], np.arange(40))


def test_rows_that_a_full_device_has_not_room_for_are_added_once() -> None:
    index = Index.build(ROWS[:10])
    refused = ProviderError("the device is out of memory")

    def full(_: object) -> None:
        raise refused

    index._make_engine = full  # type: ignore[assignment]
    with pytest.raises(ProviderError, match="out of memory"), index.writer() as writer:
        writer.add(ROWS[10])
    assert (len(writer), len(index)) == (0, 11)


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="size is 0, wanted at least 1"):
        Index.build(ROWS).writer(0)
    with pytest.raises(ValueError, match="size is 0, wanted at least 1"):
        Index.build(ROWS).blocks(0)


def test_an_id_that_was_removed_meanwhile_is_free(tmp_path: Path) -> None:
    index = Index.write(tmp_path / "index", ROWS[:10], ids=NAMES[:10])
    with index.writer() as writer:
        writer.add(ROWS[10], ["a"])
        index.remove([NAMES[3]])
        with pytest.raises(IdError, match="id 'picture 4' is in the index already"):
            writer.add(ROWS[11], [NAMES[4]])
        writer.add(ROWS[12], [NAMES[3]])
        with pytest.raises(IdError, match="id 'a' is given twice"):
            writer.add(ROWS[13], ["a"])
    assert index.ids.tolist() == [*NAMES[:3], *NAMES[4:10], "a", NAMES[3]]
