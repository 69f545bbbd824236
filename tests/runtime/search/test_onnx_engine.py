"""ONNX engine, without compiled kernels: equal to brute force on any finite input."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import F32, SearchCase, assert_engine, mean_row, search_cases, unit_rows

from twinlens.search import onnx_engine, row_batches
from twinlens.search.onnx_engine import OnnxEngine
from twinlens_kernels import encode


@pytest.fixture
def uncoded(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Log messages about queries searched without codes."""
    caplog.set_level("INFO", "twinlens.search.onnx_engine")
    return lambda: [record.message for record in caplog.records]


@settings(max_examples=300, deadline=None)
@given(
    case=search_cases(
        n_queries=6, n_rows=(1, 300), width=140, k=60, shares=(None, 0.0, 0.02, 0.5, 0.9, 1.0)
    ),
    centred=st.sampled_from(["mean", "zero", "a row"]),
    residual=st.booleans(),
    candidates_per_hit=st.sampled_from([0, 1, 64]),
    largest_code=st.sampled_from([63, 127]),
)
def test_the_answer_is_that_of_brute_force_on_any_finite_input(
    case: SearchCase, centred: str, residual: bool, candidates_per_hit: int, largest_code: int
) -> None:
    rows = case.rows
    centres = {"mean": mean_row(rows), "zero": np.zeros_like(rows[0]), "a row": rows[0]}
    codes = encode(rows, centre=centres[centred], residual=residual)
    # So small that some hundred rows are many runs, with several thresholds.
    small = {"_FIRST_ROWS": 8, "_FIRST_PER_HIT": 1, "_LEAST_ROWS": 16, "_MOST_ROWS": 64}
    small |= {
        "_ROWS_PER_RESCORED": 0,
        "_RUN_SCORES": 128,
        "_GROWTH": 3,
        "_BLOCK_QUERIES": 4,
        "_LARGEST_CODE": largest_code,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, number in {**small, "_CANDIDATES_PER_HIT": candidates_per_hit}.items():
            patch.setattr(onnx_engine, name, number)
        engine = OnnxEngine(rows, codes, threads=1)
        assert_engine(engine, case.queries, rows, case.k, case.allowed)


@pytest.mark.parametrize("share", [None, 0.2, 0.9])
def test_unit_rows_are_searched_by_their_codes(
    uncoded: Callable[[], list[str]], share: float | None
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 30_000), unit_rows(random, 5)
    rows[::1000] = queries[0]
    allowed = None if share is None else random.random(30_000) < share
    engine = OnnxEngine(rows, encode(rows, centre=mean_row(rows)), threads=2)
    for k in (1, 20):
        assert_engine(engine, queries, rows, k, allowed)
    assert len(engine) == 30_000
    assert not uncoded()


def test_a_query_that_the_codes_do_not_narrow_down_is_searched_without_them(
    uncoded: Callable[[], list[str]],
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 20_000), unit_rows(random, 3)
    queries[1] = 0
    engine = OnnxEngine(rows, encode(rows, centre=mean_row(rows)), threads=1)
    assert_engine(engine, queries, rows, 10)
    assert uncoded() == ["1 queries are searched without codes"]


def test_a_row_too_long_for_the_bounds_is_rescored(uncoded: Callable[[], list[str]]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 8000), unit_rows(random, 2)
    rows[5000] *= np.float32(2e18)
    rows[7000] *= np.float32(3e38)
    engine = OnnxEngine(rows, encode(rows, centre=mean_row(rows[:1000])), threads=1)
    assert_engine(engine, queries, rows, 10)
    assert not uncoded()


@pytest.mark.parametrize(
    ("n_rows", "n_queries", "hits", "answer"),
    [
        (10_000, 1, 100, True),
        (10_000, 16, 100, False),
        (100_000, 256, 100, False),
        (1_000_000, 256, 10, True),
        (1_000_000, 100_000, 10, True),
    ],
)
def test_codes_pay_where_few_pairs_are_rescored(
    n_rows: int, n_queries: int, hits: int, answer: bool
) -> None:
    assert onnx_engine.codes_pay(n_rows, n_queries, hits) == answer


def test_what_codes_do_not_pay_for_is_searched_without_them(
    uncoded: Callable[[], list[str]],
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 3000), unit_rows(random, 9)
    engine = OnnxEngine(rows, encode(rows, centre=mean_row(rows)), threads=1)
    assert_engine(engine, queries, rows, 10)
    assert uncoded() == ["9 queries are searched without codes"]


def test_codes_of_a_query_are_small_where_the_processor_may_saturate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 5000), unit_rows(random, 2)
    used: list[int] = []
    coded = onnx_engine.CodedQueries.of

    def note(queries: F32, centre: F32, *, largest: int) -> onnx_engine.CodedQueries:
        used.append(largest)
        return coded(queries, centre, largest=largest)

    monkeypatch.setattr(onnx_engine.CodedQueries, "of", note)
    for saturates in (False, True):
        monkeypatch.setattr(onnx_engine, "may_saturate", lambda answer=saturates: answer)
        engine = OnnxEngine(rows, encode(rows, centre=mean_row(rows)), threads=1)
        assert_engine(engine, queries, rows, 10)
    assert used == [127, 63]
    # Two products of the largest codes fit in 16 bits.
    assert 2 * 63 * 255 < 2**15 <= 2 * 127 * 255


def test_no_rows_and_no_queries_give_no_hits() -> None:
    rows = np.ones((3, 2), dtype=np.float32)
    codes = encode(rows, centre=rows[0])
    assert OnnxEngine(rows[:0], codes[:0], threads=1).topk(rows, 3)[0].shape == (3, 0)
    assert OnnxEngine(rows, codes, threads=1).topk(rows[:0], 2)[0].shape == (0, 2)
    with pytest.raises(ValueError, match="k is 0, wanted at least 1"):
        OnnxEngine(rows, codes, threads=1).topk(rows, 0)


def test_allowed_rows_are_looked_at_alone_where_they_are_few() -> None:
    allowed = np.arange(12) % 4 == 1
    few = row_batches.RowBatches.of(12, allowed)
    assert [run.row_numbers(np.arange(run.n_rows)).tolist() for run in few.rest(1, 5)] == [[5, 9]]
    most = row_batches.RowBatches.of(12, ~allowed)
    runs = list(most.rest(3, 5))
    assert [run.row_numbers(np.arange(run.n_rows)).tolist() for run in runs] == [
        [4, 5, 6, 7, 8],
        [9, 10, 11],
    ]
    places, of_query = runs[0].allowed_pairs(np.ones((5, 2), dtype=np.bool_))
    assert (places.tolist(), of_query.tolist()) == ([0, 0, 2, 2, 3, 3, 4, 4], [0, 1] * 4)
