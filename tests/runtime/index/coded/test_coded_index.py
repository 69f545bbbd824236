"""An index of codes alone against brute force over the rows that were given to it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_cases import every_score

from twinlens.errors import CodesOnlyError, IndexFileError
from twinlens.index import query
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.index import Index
from twinlens.normalization import unit_rows
from twinlens_kernels import encode
from twinlens_kernels.encoding.dequantise import bounds_alone, dequantise

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def every_cosine(queries: F32, rows: F32) -> F64:
    """The cosines [Q, N] of unit rows by their definition."""
    squared = [np.einsum("nn->n", every_score(side, side)) for side in (queries, rows)]
    lengths = np.outer(*[np.where(square == 0, 1, square) for square in squared])
    return every_score(queries, rows) / np.sqrt(lengths)


def assert_topk(found: Hits, wanted: F64, allowed: NDArray[np.bool_], k: int) -> None:
    """Each cosine is within its error, and exact hits are those of brute force."""
    assert found.errors is not None
    kept = np.flatnonzero(allowed)
    assert found.rows.shape == (len(wanted), min(k, len(kept)))
    true = np.take_along_axis(wanted, found.rows, axis=1)
    assert (np.abs(true - found.cosines) <= found.errors).all()
    assert (np.diff(found.cosines, axis=1) <= 0).all()
    best = kept[np.argsort(-wanted[:, kept], axis=1, kind="stable")[:, :k]]
    np.testing.assert_array_equal(found.rows[found.exact], best[found.exact])


def assert_ranges(found: RangeHits, wanted: F64, allowed: NDArray[np.bool_], floor: float) -> None:
    """None is missed, each may be a hit, and exact hits are those of brute force."""
    reached = (wanted.astype(np.float32) >= np.float32(floor)) & allowed
    for number, is_exact in enumerate(found.exact):
        hits = found.of(number)
        (rows,) = hits.rows
        assert hits.errors is not None
        assert set(np.flatnonzero(reached[number])) <= set(rows)
        assert allowed[rows].all()
        assert (np.abs(wanted[number, rows] - hits.cosines[0]) <= hits.errors[0]).all()
        assert (hits.cosines[0] + hits.errors[0] >= floor - 1e-6).all()
        if is_exact:
            best = np.flatnonzero(reached[number])
            best = best[np.argsort(-wanted[number, best], kind="stable")]
            np.testing.assert_array_equal(rows, best)


@st.composite
def corpora(draw: st.DrawFn) -> tuple[F32, F32]:
    """Queries, and rows with twins, near twins, zero rows, outliers and plain ones."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, width = draw(st.integers(1, 200)), draw(st.integers(1, 90))
    middles = random.standard_normal((draw(st.integers(1, 8)), width))
    rows = middles[random.integers(len(middles), size=n_rows)]
    rows = rows + draw(st.sampled_from([0, 1e-6, 1e-3, 1])) * random.standard_normal(rows.shape)
    rows[random.random(n_rows) < draw(st.sampled_from([0, 0.2]))] = 0
    sharp = random.random(n_rows) < draw(st.sampled_from([0, 0.1]))
    rows[sharp] = np.eye(width)[random.integers(width, size=int(sharp.sum()))]
    unit = unit_rows(rows)
    return np.concatenate([unit[:3], unit_rows(middles[:2]), 0 * unit[:1]]), unit


@settings(max_examples=120, deadline=None)
@given(
    corpora(),
    st.booleans(),
    st.integers(1, 30),
    st.sampled_from([None, 0.0, 0.05, 0.6]),
    st.sampled_from([-1.0, 0.0, 0.9, 0.999]),
)
def test_bounds_hold_and_proven_answers_are_those_of_brute_force(
    corpus: tuple[F32, F32], residual: bool, k: int, share: float | None, floor: float
) -> None:
    queries, rows = corpus
    index = Index.build(rows, residual=residual, codes_only=True)
    wanted = every_cosine(unit_rows(queries), rows)
    random = np.random.default_rng(k)
    mask = np.ones(len(rows), dtype=np.bool_) if share is None else random.random(len(rows)) < share
    few = np.flatnonzero(mask)
    for ratio in (256, 1):  # all codes scanned, or the allowed rows alone scored
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(query, "_ROWS_PER_ALLOWED", ratio)
            for chosen in (mask, few):
                assert_topk(index.search(queries, k, filter=chosen), wanted, mask, k)
                found = index.search_within(queries, floor, filter=chosen)
                assert_ranges(found, wanted, mask, floor)


@settings(max_examples=60, deadline=None)
@given(corpora(), st.booleans(), st.integers(0, 2**32 - 1))
def test_dequantised_rows_are_within_their_bounds(
    corpus: tuple[F32, F32], residual: bool, seed: int
) -> None:
    _, rows = corpus
    random = np.random.default_rng(seed)
    centre = (0.3 * random.standard_normal(rows.shape[1])).astype(np.float32)
    codes, errors = bounds_alone(encode(rows, centre=centre, residual=residual))
    held = dequantise(codes, slice(None)).astype(np.float64)
    assert (np.linalg.norm(held - rows, axis=1) < errors).all()
    first = centre + codes.terms[:, :1].astype(np.float64) * (
        codes.codes[:, : rows.shape[1]].astype(np.float64) - 128
    )
    assert (np.linalg.norm(held - first, axis=1) <= codes.terms[:, 1]).all()


def test_answers_are_proven_where_rows_lie_apart() -> None:
    rows = unit_rows(np.random.default_rng(0).standard_normal((3000, 64)))
    index = Index.build(rows, residual=True, codes_only=True)
    found = index.search(rows[:200], k=3)
    assert found.exact.mean() > 0.95
    assert (found.rows[:, 0] == np.arange(200)).all()
    assert index.error < 1e-3
    coarse = Index.build(rows, codes_only=True).search(rows[:200], k=1)
    assert coarse.exact.all()
    assert (coarse.rows[:, 0] == np.arange(200)).all()


def test_an_index_with_rows_is_always_exact() -> None:
    index = Index.build(np.eye(4))
    found, ranges = index.search(np.eye(4), k=2), index.search_within(np.eye(4), 0.5)
    assert found.exact.tolist() == ranges.exact.tolist() == [True] * 4
    assert found.errors is None
    assert (index.kept, index.error) == ("rows", 0.0)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_come_and_go_as_in_any_index(tmp_path: Path, residual: bool, on_disk: bool) -> None:
    rows = unit_rows(np.random.default_rng(1).standard_normal((80, 24)))
    names = [f"row {row}" for row in range(80)]
    options = {"residual": residual, "codes_only": True}
    index = (
        Index.write(tmp_path / "index", rows[:40], ids=names[:40], **options)
        if on_disk
        else Index.build(rows[:40], ids=names[:40], **options)
    )
    index.add(rows[40:60], names[40:60])
    index.remove(["row 3", "row 50"])
    index.update(rows[[7, 60]], ["row 8", "row 60"])
    index.compact()
    other = Index.build(rows[61:70], ids=names[61:70], **options)
    index.merge(other, Index.build(rows[70:], ids=names[70:]))
    index.save(tmp_path / "saved")
    opened = Index.open(tmp_path / "saved", verify=True)
    held = dict(zip(names, rows, strict=True))
    held |= {"row 8": rows[7]}
    del held["row 3"], held["row 50"]
    for found in (index, opened):
        assert found.kept == ("codes16" if residual else "codes8")
        assert set(found.ids) == set(held)
        got = found.get(list(held))
        assert (np.linalg.norm(got - np.stack(list(held.values())), axis=1) <= found.error).all()
        hits = found.search(rows[9:12], k=1)
        assert hits.ids[:, 0].tolist() == ["row 9", "row 10", "row 11"]
        ids, blocks = zip(*found.blocks(size=7), strict=True)
        assert np.concatenate(ids).tolist() == found.ids.tolist()
        np.testing.assert_array_equal(np.concatenate(blocks), found.get(found.ids))
    merged = opened.search(rows[61:80], k=1)
    assert merged.ids[:, 0].tolist() == names[61:]


def test_it_takes_the_memory_that_is_told(tmp_path: Path) -> None:
    rows = unit_rows(np.random.default_rng(2).standard_normal((1000, 128)))
    for residual, row_bytes in ((False, 128 + 16), (True, 2 * 128 + 24)):
        Index.write(tmp_path / "index", rows, residual=residual, codes_only=True)
        files = [path for path in (tmp_path / "index").iterdir() if path.suffix != ".json"]
        assert sum(path.stat().st_size for path in files) == 1000 * row_bytes + 4 * 128


def test_acts_that_need_the_rows_are_refused_with_a_cure(tmp_path: Path) -> None:
    index = Index.build(np.eye(4), codes_only=True)
    with pytest.raises(CodesOnlyError, match=r"keeps codes alone; write its blocks\(\)"):
        index.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(CodesOnlyError, match="merge this one into that"):
        Index.build(np.eye(4)).merge(index)


@pytest.mark.parametrize("section", ["codes", "terms"])
def test_damage_is_told_and_never_an_answer(tmp_path: Path, section: str) -> None:
    rows = unit_rows(np.random.default_rng(3).standard_normal((50, 16)))
    Index.write(tmp_path, rows, codes_only=True)
    (file,) = tmp_path.glob(f"{section}.*")
    content = bytearray(file.read_bytes())
    content[: len(content) // 50] = b"\xff" * (len(content) // 50)
    file.write_bytes(content)
    index = Index.open(tmp_path)
    with pytest.raises(IndexFileError, match="damaged"):
        index.get([0])
    with pytest.raises(IndexFileError, match="damaged"):
        index.verify()
