"""Rows that come out of an index again: by ids, in blocks, and beside a writer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import IdError, IndexFileError
from twinlens.index.index import Index
from twinlens.normalization import unit_rows

ROWS = np.random.default_rng(0).standard_normal((40, 24))
UNIT = unit_rows(ROWS)
NAMES = [f"picture {number}" for number in range(40)]


@pytest.fixture(params=["memory", "disk"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    if request.param == "memory":
        return Index.build(ROWS, ids=NAMES)
    return Index.write(tmp_path / "index", ROWS, ids=NAMES)


def test_rows_come_in_the_order_of_their_ids(named: Index) -> None:
    wanted = [31, 4, 31, 0]
    got = named.get([NAMES[row] for row in wanted])
    np.testing.assert_array_equal(got, UNIT[wanted])
    got[:] = 0
    np.testing.assert_array_equal(named.get([NAMES[4]]), UNIT[[4]])
    assert named.get([]).shape == (0, 24)
    np.testing.assert_array_equal(Index.build(ROWS).get([7, 3]), UNIT[[7, 3]])


def test_an_id_that_is_not_there_is_an_error_and_no_row(named: Index) -> None:
    named.remove([NAMES[3]])
    for gone in (NAMES[3], "picture 40"):
        with pytest.raises(IdError, match=f"id '{gone}' is not in the index, or was removed"):
            named.get([NAMES[0], gone])
    with pytest.raises(IdError, match="got integers as ids, but the index has strings"):
        named.get([1])
    with pytest.raises(TypeError, match="ids is one str; give a list"):
        named.get(NAMES[0])
    with pytest.raises(IdError, match="are only 0 and 1, as a mask has them"):
        Index.build(ROWS).get([1, 0] * 20)


def test_ids_are_in_the_index_or_not(named: Index) -> None:
    named.remove([NAMES[3]])
    assert NAMES[2] in named
    assert NAMES[3] not in named
    assert named.contains(["no", NAMES[5], NAMES[3], NAMES[5]]).tolist() == [False, True] * 2
    assert named.contains([]).tolist() == []
    numbered = Index.build(ROWS)
    numbered.remove([3])
    assert [row in numbered for row in (0, 3, 39, 40, -1, 2**63, -(10**30))] == [
        True, False, True, False, False, False, False,
    ]  # fmt: skip
    assert np.uint64(2**64 - 1) not in numbered
    assert "new" not in Index.build(ROWS[:0])
    with pytest.raises(IdError, match="got integers as ids, but the index has strings"):
        assert 3 in named
    with pytest.raises(TypeError, match=r"is .*Path.* wanted integers or strings.*str\(path\)"):
        assert Path("a") in named


def test_blocks_are_those_of_the_call_whatever_changes_then(named: Index) -> None:
    named.remove(NAMES[2:5])
    blocks, ids = named.blocks(7), named.ids
    first = next(blocks)
    named.update(-ROWS[:9], NAMES[:9])
    named.remove(NAMES[20:30])
    named.compact()
    named.add(ROWS[:1], ["new"])
    kept = [0, 1, *range(5, 40)]
    taken = [first, *blocks]
    assert np.concatenate([names for names, _ in taken]).tolist() == ids.tolist()
    assert ids.tolist() == [NAMES[row] for row in kept]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in taken]), UNIT[kept])


def test_blocks_build_the_index_again(named: Index) -> None:
    named.remove(NAMES[:8])
    again = Index.build(named.blocks(8))
    assert again.ids.tolist() == named.ids.tolist()
    ours, theirs = named.search(ROWS), again.search(ROWS)
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    np.testing.assert_array_equal(ours.cosines, theirs.cosines)
    named.remove(NAMES[8:])
    assert [rows.shape for _, rows in named.blocks()] == [(0, 24)]
    assert len(Index.build(named.blocks())) == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda index: index.get(NAMES[5:9]),
        lambda index: list(index.blocks()),
        lambda index: index.to_parquet(Path(index.about["elsewhere"])),
        lambda index: Index.build(ROWS, ids=range(40)).merge(index),
    ],
)
def test_a_damaged_row_does_not_come_out(tmp_path: Path, use: Callable[[Index], object]) -> None:
    about = {"elsewhere": str(tmp_path / "rows.parquet")}
    Index.write(tmp_path / "index", ROWS, ids=NAMES, about=about)
    rows = np.fromfile(tmp_path / "index" / "rows.1.f32", dtype="<f4").reshape(40, 24)
    rows[7, 3] += 1
    rows.tofile(tmp_path / "index" / "rows.1.f32")
    with pytest.raises(IndexFileError, match="row 7 of the index is damaged: its squared length"):
        use(Index.open(tmp_path / "index"))
    assert not (tmp_path / "rows.parquet").exists()
