"""Searches and changes of an index, in memory and on disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.errors import IdError
from twinlens.index.index import Index

ROWS = np.random.default_rng(0).standard_normal((40, 24))


NAMES = [f"picture {number}" for number in range(40)]


@pytest.fixture(params=["memory", "disk"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    """40 rows with strings as ids."""
    if request.param == "memory":
        return Index.build(ROWS, ids=NAMES)
    return Index.write(tmp_path / "index", ROWS, ids=NAMES)


def blocks(rows: NDArray[np.float64], size: int) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


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


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_stream_of_blocks_makes_the_index_of_the_whole(size: int) -> None:
    whole = Index.build(ROWS, ids=NAMES).search(ROWS)
    with_ids = zip(blocks(np.array(NAMES), size), blocks(ROWS, size), strict=True)
    for index in (
        Index.build(blocks(ROWS, size), ids=iter(NAMES)),
        Index.build(with_ids),
        Index.build([*blocks(ROWS, size)], ids=NAMES),
    ):
        hits = index.search(ROWS)
        np.testing.assert_array_equal(hits.ids, whole.ids)
        np.testing.assert_array_equal(hits.cosines, whole.cosines)


def test_a_row_of_a_stream_is_named_by_its_place_in_all_of_it() -> None:
    rows = ROWS.copy()
    rows[11, 3] = np.nan
    with pytest.raises(ValueError, match="embedding 11 holds NaN"):
        Index.build(blocks(rows, 4))


@pytest.mark.parametrize(
    ("embeddings", "ids", "message"),
    [
        (iter([]), None, "the stream has no block"),
        (iter([ROWS, ROWS[:, 1:]]), None, "a block has width 23, those before it 24"),
        (iter([ROWS[0]]), None, r"shape \(24,\), wanted \[rows, width\]"),
        (ROWS, NAMES[:3], "3 ids for 40 rows"),
        (iter([ROWS]), NAMES[:3], "3 ids for the 40 rows from row 0 on"),
        (iter([ROWS[:3]]), NAMES, "more ids than the 3 rows"),
        (iter([(NAMES, ROWS[:3])]), None, "40 ids for the 3 rows"),
        (np.empty((3, 0)), None, "with width > 0"),
        (ROWS, np.zeros((40, 1), dtype=np.int64), r"ids has shape \(40, 1\)"),
        (ROWS, [2**63] * 40, "an id is beyond int64; give such ids as strings"),
    ],
)
def test_rows_that_make_no_index_are_refused(embeddings: object, ids: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Index.build(embeddings, ids=ids)


@pytest.mark.parametrize(
    ("embeddings", "ids", "message"),
    [
        (ROWS, [1.5] * 40, "id 0 is 1.5 of type float; wanted integers or strings"),
        (ROWS, [0, True] * 20, "id 1 is True of type bool"),
        (ROWS, ["a", 1] * 20, "id 1 is 1 of type int; wanted integers or strings, and one kind"),
        (ROWS, "a" * 40, "ids is one str; give a list"),
        (iter([(NAMES, ROWS, 3)]), None, "a block is a tuple of 3 items"),
        (iter([(NAMES, ROWS)]), NAMES, "ids are given beside the stream and in it"),
        (iter([ROWS.astype(int)]), None, "embeddings are int64, wanted floats"),
    ],
)
def test_what_is_of_the_wrong_type_is_refused(
    embeddings: object, ids: object, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        Index.build(embeddings, ids=ids)


@pytest.mark.parametrize("at", [1, 39])
@pytest.mark.parametrize("size", [1, 8, 40])
def test_an_id_that_is_given_twice_is_named(at: int, size: int) -> None:
    for ids, name in (([*NAMES], "'picture 0'"), ([*range(40)], "0")):
        ids[at] = ids[0]  # type: ignore[call-overload]
        with pytest.raises(IdError, match=f"id {name} is given twice"):
            Index.build(blocks(ROWS, size), ids=ids)


def test_hits_have_the_ids_that_were_given(named: Index) -> None:
    hits = named.search(ROWS[:5], k=1)
    assert hits.rows.tolist() == [[row] for row in range(5)]
    assert hits.ids.tolist() == [[name] for name in NAMES[:5]]
    assert type(hits.ids[0, 0]) is str
    numbered = Index.build(ROWS, ids=np.arange(40, dtype=np.uint16) * 2).search(ROWS[:5], k=1)
    assert (numbered.ids.dtype, numbered.ids.tolist()) == (np.int64, [[0], [2], [4], [6], [8]])


@pytest.mark.parametrize("ids", [[-(2**63), 2**63 - 1, 0], ["", "\0", "\ud83c\udf55\udcff"]])
def test_any_id_is_found_again(tmp_path: Path, ids: list[int] | list[str]) -> None:
    Index.build(ROWS[:3], ids=ids).save(tmp_path / "index")
    for index in (Index.build(ROWS[:3], ids=ids), Index.open(tmp_path / "index", verify=True)):
        assert index.search(ROWS[:3], k=1).ids.ravel().tolist() == ids
        for place, name in enumerate(ids):
            hits = index.search(ROWS[0], filter=[name])  # type: ignore[list-item]
            assert hits.rows.tolist() == [[place]]


def test_a_filter_leaves_the_rows_it_names(named: Index) -> None:
    mask = np.zeros(40, dtype=np.bool_)
    mask[[3, 9, 31]] = True
    for chosen in (mask, mask.tolist(), [NAMES[31], NAMES[3], NAMES[9], NAMES[3]]):
        hits = named.search(ROWS, k=10, filter=chosen)
        alone = Index.build(ROWS[mask]).search(ROWS, k=10)
        np.testing.assert_array_equal(hits.rows, np.flatnonzero(mask)[alone.rows])
        np.testing.assert_array_equal(hits.cosines, alone.cosines)
    assert named.search(ROWS, filter=[]).ids.shape == (40, 0)
    assert named.search(ROWS, filter=np.zeros(40, dtype=np.bool_)).rows.shape == (40, 0)


def test_few_ids_among_many_rows_are_ranked_exactly() -> None:
    rows = np.random.default_rng(3).standard_normal((2000, 16))
    rows[1500] = rows[20]
    chosen = [1500, 3, 20, 700, 20]
    index = Index.build(rows)
    few, mask = index.search(rows[:9], k=3, filter=chosen), np.isin(np.arange(2000), chosen)
    masked = index.search(rows[:9], k=3, filter=mask)
    np.testing.assert_array_equal(few.rows, masked.rows)
    np.testing.assert_array_equal(few.cosines, masked.cosines)
    near = index.search_within(rows[:9], 0.1, filter=chosen)
    same = index.search_within(rows[:9], 0.1, filter=mask)
    np.testing.assert_array_equal(near.rows, same.rows)
    np.testing.assert_array_equal(near.cosines, same.cosines)
    np.testing.assert_array_equal(near.starts, same.starts)
    assert index.search(rows[20], k=2, filter=chosen).rows.tolist() == [[20, 1500]]


def test_a_filter_that_means_no_row_is_refused(named: Index) -> None:
    with pytest.raises(IdError, match="id 'cat' is not in the index, or was removed"):
        named.search(ROWS, filter=[NAMES[0], "cat"])
    with pytest.raises(IdError, match="got integers as ids, but the index has strings as ids"):
        named.search(ROWS, filter=[3])
    with pytest.raises(ValueError, match=r"filter has shape \(39,\), wanted \(40,\)"):
        named.search(ROWS, filter=np.ones(39, dtype=np.bool_))
    with pytest.raises(IdError, match="row number 40 is not in the index"):
        Index.build(ROWS).search(ROWS, filter=[0, 40])
    with pytest.raises(IdError, match="row number -1 is not in the index"):
        Index.build(ROWS).remove([-1])
    with pytest.raises(ValueError, match="k is 0, wanted at least 1"):
        named.search(ROWS, k=0, filter=[NAMES[0]])


def test_a_range_search_finds_all_rows_within_reach(named: Index) -> None:
    unit = (ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)).astype(np.float32)
    wide = unit.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    cosines = wide @ wide.T
    found = named.search_within(ROWS, 0.25)
    assert len(found) == 40
    for query in range(40):
        rows = np.flatnonzero(cosines[query] >= 0.25)
        hits = found.of(query)
        assert hits.rows.tolist() == [rows[np.argsort(-cosines[query, rows])].tolist()]
        assert hits.ids.tolist() == [[NAMES[row] for row in hits.rows[0]]]
        np.testing.assert_allclose(hits.cosines[0], cosines[query, hits.rows[0]], atol=1e-6)
    with pytest.raises(IndexError, match="query 40 is not among the 40"):
        found.of(40)


@pytest.mark.parametrize("filtered", ["", "mask", "few ids"])
def test_a_range_search_finds_the_hits_of_a_search(filtered: str) -> None:
    random = np.random.default_rng(6)
    rows, queries = random.standard_normal((3000, 16)), random.standard_normal((50, 16))
    index, wanted = Index.build(rows), None
    if filtered:
        wanted = np.arange(11) if filtered == "few ids" else random.random(3000) < 0.5
    hits = index.search(queries, k=10, filter=wanted)
    for query, cosine in zip(queries, hits.cosines[:, -1], strict=True):
        # numpy compares float32 numbers with a Python float as float32, and so does the index.
        for given in (cosine, float(cosine), float(str(cosine))):
            found = index.search_within(query, given, filter=wanted).of(0)
            assert found.cosines.min() == cosine
            assert found.rows.shape[1] >= 10
    own = index.search_within(rows[:11], 1.0, filter=wanted)
    assert all(row in own.of(row).rows[0] for row in range(11) if filtered != "mask" or wanted[row])


@pytest.mark.parametrize("filtered", [False, True])
def test_a_row_is_its_own_nearest_among_near_twins(filtered: bool) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((500, 256)).astype(np.float32)
    twins = (rows * (1 + 1e-7) + random.standard_normal(rows.shape) * 1e-6).astype(np.float32)
    both = np.concatenate([twins, rows])
    index = Index.build(both)
    if filtered:
        for row in range(500, 520):
            found = index.search(both[row], k=2, filter=[row, row - 500])
            assert found.rows.tolist() == [[row, row - 500]]
    else:
        assert index.search(rows, k=1).rows.ravel().tolist() == list(range(500, 1000))


def test_a_range_search_for_minus_one_finds_everything(named: Index) -> None:
    named.remove([NAMES[7]])
    found = named.search_within(-ROWS, -1)
    assert (np.diff(found.starts) == 39).all()
    for cosine in (-1.01, 1.01, float("nan")):
        with pytest.raises(ValueError, match="not between -1 and 1"):
            named.search_within(ROWS, cosine)


def test_rows_that_are_added_are_found(named: Index) -> None:
    more = np.random.default_rng(5).standard_normal((30, 24))
    names = [f"new {number}" for number in range(30)]
    named.add(more[:1], ids=names[:1])
    named.add(blocks(more[1:], 4), ids=iter(names[1:]))
    assert (len(named), named.n_rows) == (70, 70)
    assert named.search(more, k=1).ids.ravel().tolist() == names
    whole = Index.build(np.concatenate([ROWS, more])).search(more)
    np.testing.assert_array_equal(named.search(more).rows, whole.rows)
    np.testing.assert_array_equal(named.search(more).cosines, whole.cosines)


@pytest.mark.parametrize(
    ("rows", "ids", "message"),
    [
        (ROWS[:2], ["new", NAMES[3]], "id 'picture 3' is in the index already; remove it first"),
        (ROWS[:2], ["new", "new"], "id 'new' is given twice"),
        ([ROWS[:1], ROWS[:1]], ["new", "new"], "id 'new' is given twice"),
        (ROWS[:2], None, "got no ids, but the index has strings as ids"),
        (ROWS[:2], [1, 2], "got integers as ids, but the index has strings as ids"),
        (ROWS[:2, 1:], ["a", "b"], "embeddings have width 23, but the index has width 24"),
        ([ROWS[:1], ROWS[:1] * np.nan], ["a", "b"], "embedding 1 holds NaN"),
    ],
)
def test_an_add_that_fails_adds_nothing(
    named: Index, rows: object, ids: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        named.add(rows, ids=ids)
    assert (len(named), named.n_rows) == (40, 40)
    named.add(ROWS[:1], ids=["a"])
    named.add(ROWS[1:2], ids=["new"])
    assert named.search(ROWS[:2], k=2).ids.tolist() == [[NAMES[0], "a"], [NAMES[1], "new"]]
    named.verify()


def test_rows_that_are_removed_are_not_found(named: Index) -> None:
    named.remove(NAMES[10:20])
    assert (len(named), named.n_rows) == (30, 40)
    kept = np.r_[0:10, 20:40]
    hits, alone = named.search(ROWS, k=40), Index.build(ROWS[kept]).search(ROWS, k=40)
    np.testing.assert_array_equal(hits.rows, kept[alone.rows])
    for gone in ([NAMES[10]], [NAMES[0], NAMES[10]]):
        with pytest.raises(IdError, match="id 'picture 10' is not in the index, or was removed"):
            named.remove(gone)
    assert len(named) == 30
    mask = np.ones(40, dtype=np.bool_)
    np.testing.assert_array_equal(named.search(ROWS, filter=mask).rows, named.search(ROWS).rows)


def test_the_id_of_a_removed_row_is_free(named: Index) -> None:
    for row in (3, 4, 5):
        named.remove([NAMES[0]])
        named.add(ROWS[row : row + 1], ids=[NAMES[0]])
    hits = named.search(ROWS[5], k=2)
    assert (hits.ids.tolist(), hits.rows.tolist()) == ([[NAMES[5], NAMES[0]]], [[5, 42]])
    assert named.search(ROWS[5], filter=[NAMES[0]]).rows.tolist() == [[42]]


def test_compact_gives_back_the_rows_that_were_removed(named: Index) -> None:
    named.add(ROWS + 5, ids=[f"far {number}" for number in range(40)])
    named.remove(NAMES[:20])
    before = named.search(ROWS)
    named.compact()
    assert (len(named), named.n_rows) == (60, 60)
    after = named.search(ROWS)
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.cosines, after.cosines)
    np.testing.assert_array_equal(before.rows - 20, after.rows)
    named.add(ROWS[:1], ids=[NAMES[0]])
    named.remove([NAMES[21]])
    assert named.search(ROWS[21], k=60).ids.shape == (1, 60)
    named.verify()


def test_an_index_may_lose_all_its_rows_and_get_others(named: Index) -> None:
    named.remove(NAMES)
    assert named.search(ROWS).ids.shape == (40, 0)
    named.compact()
    assert (len(named), named.n_rows) == (0, 0)
    named.add(ROWS, ids=range(40))
    assert named.search(ROWS[3], k=1).ids.tolist() == [[3]]
    named.verify()


def test_an_index_without_rows_takes_the_ids_of_its_first(tmp_path: Path) -> None:
    empty = np.empty((0, 24))
    for index in (Index.build(empty), Index.write(tmp_path / "index", empty)):
        assert index.search(ROWS[:2]).ids.shape == (2, 0)
        assert index.search_within(ROWS[:2], 0).starts.tolist() == [0, 0, 0]
        index.add(empty, ids=[])
        with pytest.raises(IdError, match="given twice"):
            index.add(ROWS[:2], ids=[1, 1])
        index.add(ROWS, ids=NAMES)
        assert index.search(ROWS[3], k=1).ids.tolist() == [[NAMES[3]]]


def test_an_index_remembers_what_it_is_about(tmp_path: Path) -> None:
    told = {"model": "demo \ud83c \udcff", "": "\0"}
    Index.build(ROWS, about=told).save(tmp_path / "index")
    index = Index.open(tmp_path / "index")
    assert index.about == told
    index.remove([0])
    index.add(ROWS)
    index.compact()
    assert Index.open(tmp_path / "index").about == told
    with pytest.raises(TypeError, match="about says 'model': 3, wanted strings"):
        Index.build(ROWS, about={"model": 3})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="letters that JSON cannot tell apart"):
        Index.build(ROWS, about={"model": "\ud83c\udf55"})


@pytest.mark.parametrize("residual", [False, True])
def test_the_residual_changes_no_answer(tmp_path: Path, residual: bool) -> None:
    index = Index.write(tmp_path / "index", ROWS, residual=residual)
    index.add(ROWS)
    index.remove([0])
    index.compact()
    assert ("residual.4.u8" in {path.name for path in (tmp_path / "index").iterdir()}) == residual
    hits, plain = index.search(ROWS), Index.build(np.concatenate([ROWS[1:], ROWS])).search(ROWS)
    np.testing.assert_array_equal(hits.rows, plain.rows)
    np.testing.assert_array_equal(hits.cosines, plain.cosines)
