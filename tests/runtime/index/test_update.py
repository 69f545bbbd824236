"""Rows replaced and indexes merged, each in one commit."""

import logging
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import IdError, IndexFileError
from twinlens.index.index import Index
from twinlens.index.storage.manifest import read_manifest

ROWS = np.random.default_rng(0).standard_normal((40, 24))
NAMES = [f"picture {number}" for number in range(40)]


@pytest.fixture(params=["memory", "disk"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    if request.param == "memory":
        return Index.build(ROWS, ids=NAMES)
    return Index.write(tmp_path / "index", ROWS, ids=NAMES)


def test_an_update_replaces_and_appends_in_one_commit(tmp_path: Path) -> None:
    index = Index.write(tmp_path / "index", ROWS, ids=NAMES)
    before = read_manifest(tmp_path / "index").generation
    index.update(iter([(NAMES[3:5], -ROWS[3:5]), (["new"], ROWS[:1])]))
    assert read_manifest(tmp_path / "index").generation == before + 1
    for changed in (index, Index.open(tmp_path / "index", verify=True)):
        assert (len(changed), changed.n_rows) == (41, 43)
        hits = changed.search(-ROWS[3:5], k=1)
        assert hits.ids.tolist() == [[NAMES[3]], [NAMES[4]]]
        assert hits.rows.tolist() == [[40], [41]]
        assert changed.search(ROWS[3], k=1).ids[0, 0] != NAMES[3]


def test_a_reader_of_before_the_update_finds_the_old_rows(named: Index) -> None:
    blocks, old = named.blocks(), named.get(NAMES)
    named.update(-ROWS, NAMES)
    np.testing.assert_array_equal(next(blocks)[1], old)
    np.testing.assert_array_equal(named.get(NAMES), -old)


@pytest.mark.parametrize(
    ("rows", "ids", "message"),
    [
        (ROWS[:2], ["picture 1", "picture 1"], "id 'picture 1' is given twice"),
        ([ROWS[:1], ROWS[:1]], ["picture 1", "picture 1"], "id 'picture 1' is given twice"),
        (ROWS[:2], None, "got no ids, but the index has strings as ids"),
        (ROWS[:1], [1], "got integers as ids, but the index has strings as ids"),
        (ROWS[:1, 1:], ["picture 1"], "embeddings have width 23, but the index has width 24"),
        ([ROWS[:1], ROWS[:1] * np.nan], ["picture 1", "a"], "embedding 1 holds NaN"),
    ],
)
def test_an_update_that_fails_changes_nothing(
    named: Index, rows: object, ids: object, message: str
) -> None:
    before = named.get(NAMES)
    with pytest.raises(ValueError, match=message):
        named.update(rows, ids)
    assert (len(named), named.n_rows) == (40, 40)
    np.testing.assert_array_equal(named.get(NAMES), before)
    named.update(-ROWS[1:2], ["picture 1"])
    np.testing.assert_array_equal(named.get(["picture 1"]), -before[1:2])
    named.verify()


def test_rows_without_ids_cannot_be_updated() -> None:
    for index in (Index.build(ROWS), Index.build(ROWS[:0])):
        with pytest.raises(IdError, match="an update needs the id of each row, got none; use add"):
            index.update(ROWS)
    with pytest.raises(IdError, match="got integers as ids, but the index has no ids"):
        Index.build(ROWS).update(ROWS[:1], [0])
    empty = Index.build(ROWS[:0])
    empty.update(ROWS, NAMES)
    assert empty.ids.tolist() == NAMES


def test_merged_indexes_answer_as_one_that_was_built_of_all(named: Index, tmp_path: Path) -> None:
    more = np.random.default_rng(5).standard_normal((30, 24))
    first = Index.write(tmp_path / "first", more[:20], ids=[f"new {row}" for row in range(20)])
    second = Index.build(more[20:], ids=[f"new {row}" for row in range(20, 30)], residual=True)
    first.remove(["new 4"])
    named.merge(first, second)
    rows = np.concatenate([ROWS, np.delete(more, 4, axis=0)])
    whole = Index.build(rows).search(more, k=20)
    found = named.search(more, k=20)
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_array_equal(found.cosines, whole.cosines)
    np.testing.assert_array_equal(named.get(first.ids), first.get(first.ids))
    named.verify()


def test_indexes_without_ids_are_merged_by_their_numbers() -> None:
    index = Index.build(ROWS[:3])
    index.remove([1])
    index.merge(index, Index.build(ROWS[5:7]), Index.build(ROWS[:0]))
    assert index.ids.tolist() == [0, 2, 3, 4, 5, 6]
    expected = Index.build(ROWS[[0, 2, 0, 2, 5, 6]])
    np.testing.assert_array_equal(index.get(index.ids), expected.get(expected.ids))
    named = Index.build(ROWS[:0])
    named.merge(Index.build(ROWS, ids=NAMES))
    assert named.ids.tolist() == NAMES
    named.merge()
    assert len(named) == 40


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Index.build(ROWS[:3], ids=["a", "b", NAMES[7]]), "id 'picture 7' is in the index already"),
        (Index.build(ROWS[:3], ids=[1, 2, 3]), "got integers as ids, but the index has strings"),
        (Index.build(ROWS[:3]), "got no ids, but the index has strings as ids"),
        (Index.build(ROWS[:0, 1:]), "have width 23, but the index has width 24"),
    ],
)
def test_a_merge_that_fails_adds_nothing(named: Index, other: Index, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        named.merge(Index.build(ROWS[:2], ids=["x", "y"]), other)
    assert (len(named), named.n_rows) == (40, 40)
    with pytest.raises(IdError, match="id 'x' is given twice"):
        named.merge(*[Index.build(ROWS[:1], ids=["x"])] * 2)
    with pytest.raises(TypeError, match="merge got a ndarray, wanted indexes"):
        named.merge(ROWS)  # type: ignore[arg-type]
    assert named.n_rows == 40


def test_indexes_of_two_models_are_not_merged(caplog: pytest.LogCaptureFixture) -> None:
    about = {"model": "clip-b32", "precision": "int8", "operators": "avx512vnni"}
    index = Index.build(ROWS, ids=NAMES, about=about)
    other = Index.build(ROWS[:1], ids=["a"], about={**about, "precision": "fp32"})
    with pytest.raises(IndexFileError, match=r"precision int8, .* to be merged .* precision fp32"):
        index.merge(other)
    with caplog.at_level(logging.WARNING):
        index.merge(Index.build(ROWS[:1], ids=["b"], about={**about, "operators": "amx"}))
    assert "made with operators avx512vnni" in caplog.text
    assert len(index) == 41
