import os
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import IndexFileError, TwinlensError
from twinlens.index import Index

ROWS = np.random.default_rng(0).standard_normal((40, 24))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "rows.index"
    Index.build(ROWS).save(path)
    return path


def test_search_gives_the_cosines_best_first() -> None:
    queries = np.random.default_rng(1).standard_normal((6, 24))
    hits = Index.build(ROWS).search(queries, k=5)
    cosines = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ (
        ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    ).T
    np.testing.assert_array_equal(hits.ids, np.argsort(-cosines, axis=1)[:, :5])
    wanted = np.take_along_axis(cosines, hits.ids, axis=1)
    np.testing.assert_allclose(hits.cosines, wanted, atol=1e-6)
    assert (hits.ids.dtype, hits.cosines.dtype) == (np.int64, np.float32)


def test_search_takes_one_query_and_gives_no_more_hits_than_rows() -> None:
    hits = Index.build(ROWS[:3]).search(ROWS[1], k=10)
    assert hits.ids.shape == hits.cosines.shape == (1, 3)
    assert hits.ids[0, 0] == 1


def test_search_breaks_ties_by_the_lower_row() -> None:
    assert Index.build(ROWS[[5, 5, 5]]).search(ROWS[5], k=2).ids.tolist() == [[0, 1]]


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_the_number_of_threads_changes_nothing(threads: int | None) -> None:
    index = Index.build(ROWS)
    np.testing.assert_array_equal(
        index.search(ROWS, threads=threads).cosines, index.search(ROWS, threads=1).cosines
    )


def test_no_cosine_is_beyond_one() -> None:
    rows = np.random.default_rng(2).standard_normal((500, 7))
    index = Index.build(rows)
    assert index.search(rows, k=1).cosines.max() <= 1
    assert index.search(-rows, k=500).cosines.min() >= -1


def test_a_zero_row_has_cosine_zero_with_everything() -> None:
    index = Index.build(np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert index.search(np.array([[1.0, 0.0], [0.0, 0.0]])).cosines.tolist() == [[1, 0], [0, 0]]


def test_an_index_knows_its_size() -> None:
    index = Index.build(ROWS)
    assert (len(index), index.width) == (40, 24)
    assert repr(index) == "Index(40 rows of width 24)"


def test_an_index_does_not_change_with_the_array_it_was_built_from() -> None:
    rows = ROWS.astype(np.float32)
    index = Index.build(rows)
    rows[:] = 1
    assert index.search(ROWS[7], k=1).ids.tolist() == [[7]]


def test_a_row_that_is_not_finite_is_refused_by_name() -> None:
    rows = ROWS.copy()
    rows[11, 3] = np.inf
    with pytest.raises(ValueError, match="embedding 11 holds NaN or infinity"):
        Index.build(rows)
    with pytest.raises(ValueError, match="embedding 11 holds NaN or infinity"):
        Index.build(ROWS).search(rows)


def test_queries_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="queries have width 23, but the index has width 24"):
        Index.build(ROWS).search(ROWS[:, 1:])


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="k is 0, wanted at least 1"):
        Index.build(ROWS).search(ROWS, k=0)


def test_an_opened_index_answers_like_the_one_that_was_saved(saved: Path) -> None:
    built, opened = Index.build(ROWS).search(ROWS), Index.open(saved, verify=True).search(ROWS)
    np.testing.assert_array_equal(built.ids, opened.ids)
    np.testing.assert_array_equal(built.cosines, opened.cosines)


@pytest.mark.parametrize("shape", [(0, 5), (1, 1)])
def test_the_smallest_indexes_survive_the_disk(tmp_path: Path, shape: tuple[int, int]) -> None:
    Index.build(np.ones(shape)).save(tmp_path / "small")
    index = Index.open(tmp_path / "small", verify=True)
    assert (len(index), index.width) == shape
    assert index.search(np.ones(shape[1])).ids.shape == (1, shape[0])


def test_saving_replaces_the_file_and_leaves_nothing_else(saved: Path) -> None:
    before = Index.open(saved)
    Index.build(ROWS[:5]).save(saved)
    assert (len(before), len(Index.open(saved))) == (40, 5)
    before.verify()
    assert list(saved.parent.iterdir()) == [saved]


def test_a_save_that_fails_leaves_the_old_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        Index.build(ROWS[:5]).save(saved)
    assert list(saved.parent.iterdir()) == [saved]
    assert len(Index.open(saved, verify=True)) == len(ROWS)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for content in (b"", b"hello", b"x" * 500):
        path.write_bytes(content)
        with pytest.raises(IndexFileError, match=r"is no twinlens index.*that Index\.save wrote"):
            Index.open(path)


@pytest.mark.parametrize("length", [8, 127])
def test_a_file_cut_within_its_header_is_refused(saved: Path, length: int) -> None:
    os.truncate(saved, length)
    with pytest.raises(IndexFileError, match=f"ends after {length} bytes, wanted a header of 128"):
        Index.open(saved)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_the_wrong_length_is_refused(saved: Path, change: int) -> None:
    os.truncate(saved, saved.stat().st_size + change)
    with pytest.raises(IndexFileError, match=r"has \d+ bytes, wanted 3968 for 40 rows of width 24"):
        Index.open(saved)


@pytest.mark.parametrize("at", [8, 16, 24, 40, 70, 100])
def test_a_changed_header_is_refused(saved: Path, at: int) -> None:
    flip(saved, at)
    with pytest.raises(IndexFileError, match="does not match its own hash; build and save"):
        Index.open(saved)


def test_a_changed_row_is_found_by_verify(saved: Path) -> None:
    flip(saved, 128 + 77)
    index = Index.open(saved)
    with pytest.raises(IndexFileError, match=r"rows of .* do not match their hash; build and save"):
        index.verify()
    with pytest.raises(TwinlensError):
        Index.open(saved, verify=True)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
