"""CUDA engine, run on the CPU provider: equal to brute force on any finite input."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_cases import F32, Found, Mask, SearchCase, assert_engine, search_cases, unit_rows

from twinlens.errors import DeviceMemoryError, ProviderError
from twinlens.ort.device import CPU
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.session import Session
from twinlens.search import cuda_engine
from twinlens.search.cuda_engine import CudaEngine
from twinlens_kernels import encode

Feeds = Mapping[str, NDArray[np.generic] | OnDevice]


@pytest.fixture
def host_queries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of queries of the searches on the CPU."""
    asked: list[int] = []
    search = cuda_engine.topk

    def count(queries: F32, rows: F32, k: int, **wishes: Any) -> Found:  # noqa: ANN401
        asked.append(len(queries))
        return search(queries, rows, k, **wishes)

    monkeypatch.setattr(cuda_engine, "topk", count)
    return asked


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of candidates of the runs."""
    asked: list[int] = []
    cuts = cuda_engine.cuts

    def count(n_queries: int, n_rows: int, wanted: int) -> dict[str, NDArray[np.int64]]:
        asked.append(wanted)
        return cuts(n_queries, n_rows, wanted)

    monkeypatch.setattr(cuda_engine, "cuts", count)
    return asked


@settings(max_examples=200, deadline=None)
@given(
    case=search_cases(n_queries=6, n_rows=(1, 300), width=80, k=60),
    chunk_share=st.floats(0, 1),
    device_share=st.sampled_from([None, 0.0, 0.4]),
    kept_more=st.sampled_from([0, 128]),
    coded=st.booleans(),
)
def test_the_answer_is_that_of_brute_force_on_any_finite_input(
    case: SearchCase, chunk_share: float, device_share: float | None, kept_more: int, coded: bool
) -> None:
    rows = case.rows
    n_bytes = 2 * rows.size
    engine = CudaEngine(
        rows,
        device=CPU,
        codes=encode(rows, centre=np.zeros_like(rows[0])) if coded else None,
        chunk_bytes=max(1, int(chunk_share * n_bytes)),
        device_bytes=None if device_share is None else int(device_share * n_bytes),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_engine, "_KEPT_MORE", kept_more)
        assert_engine(engine, case.queries, rows, case.k, case.allowed)


def test_halls_and_chunks_lose_no_row(host_queries: list[int]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 20_000), unit_rows(random, 3)
    # Chunks of 9 groups in 9 halls, the last one of another size; hits lie on their borders.
    engine = CudaEngine(rows, device=CPU, chunk_bytes=9000 * 64)
    rows[[0, 8999, 9000, 17_999, 18_000, 19_999]] = queries[0]
    engine = CudaEngine(rows, device=CPU, chunk_bytes=9000 * 64)
    assert_engine(engine, queries, rows, 50)
    assert not host_queries
    assert len(engine) == 20_000


def test_a_filter_may_leave_out_whole_chunks(host_queries: list[int]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 1000), unit_rows(random, 2)
    engine = CudaEngine(rows, device=CPU, chunk_bytes=100 * 64)
    allowed = np.zeros(1000, dtype=np.bool_)
    allowed[300:400] = allowed[[950, 999]] = True
    for k in (1, 102, 103):
        assert_engine(engine, queries, rows, k, allowed)
    assert not host_queries


def test_rows_that_the_device_has_no_room_for_are_searched_by_the_host(
    host_queries: list[int],
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 500), unit_rows(random, 2)
    engine = CudaEngine(rows, device=CPU, device_bytes=200 * 64)
    assert_engine(engine, queries, rows, 20)
    assert host_queries == [2]


def test_a_query_that_is_not_settled_asks_for_more(
    host_queries: list[int], kept: list[int]
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 5000), unit_rows(random, 3)
    rows[2000:2300] = queries[1]
    engine = CudaEngine(rows, device=CPU)
    assert_engine(engine, queries, rows, 5)
    assert kept == [133, 8 * 133]
    assert not host_queries


def test_a_query_that_more_candidates_do_not_settle_goes_to_the_host(
    host_queries: list[int], kept: list[int]
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 5000), unit_rows(random, 3)
    rows[1000:3000] = queries[1]
    engine = CudaEngine(rows, device=CPU)
    assert_engine(engine, queries, rows, 5)
    assert (kept, host_queries) == ([133, 8 * 133], [1])


def test_more_hits_than_a_chunk_gives_are_found_by_the_host(host_queries: list[int]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 3000), unit_rows(random, 1)
    assert_engine(CudaEngine(rows, device=CPU), queries, rows, 2500)
    assert host_queries == [1]


def test_a_device_that_scores_too_low_is_not_trusted(
    host_queries: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 500), unit_rows(random, 2)
    engine = CudaEngine(rows, device=CPU)
    run = Session.run_bound

    def low(session: Session, feeds: Feeds, outputs: Sequence[str]) -> tuple[F32, ...]:
        scores, places = run(session, feeds, outputs)
        return scores - np.float32(30), places

    monkeypatch.setattr(Session, "run_bound", low)
    with caplog.at_level(logging.WARNING, "twinlens"):
        assert_engine(engine, queries, rows, 5)
    assert host_queries == [2]
    assert "a score is above its upper bound" in caplog.text


def test_chunks_are_halved_once_where_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 100), unit_rows(random, 2)
    refusals, sizes, upload = [DeviceMemoryError("no room")], list[int](), Session.upload

    def upload_if_room(session: Session, array: NDArray[np.generic]) -> OnDevice:
        sizes.append(len(array))
        if refusals:
            raise refusals.pop()
        return upload(session, array)

    monkeypatch.setattr(Session, "upload", upload_if_room)
    engine = CudaEngine(rows, device=CPU, chunk_bytes=64 * 64)
    # Each chunk comes with its mask, of one row.
    assert sizes == [64, 32, 1, 32, 1, 32, 1, 4, 1]
    assert_engine(engine, queries, rows, 5)
    refusals += [DeviceMemoryError("no room")] * 2
    with pytest.raises(
        DeviceMemoryError,
        match=r"cpu is out of memory for 100 rows of 64 bytes \(no room\); pass device_bytes",
    ):
        CudaEngine(rows, device=CPU, chunk_bytes=64 * 64)


def test_queries_are_halved_once_where_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, 64), unit_rows(random, 8)
    refusals, sizes, run = [DeviceMemoryError("no room")], list[int](), Session.run_bound

    def run_if_room(session: Session, feeds: Feeds, outputs: Sequence[str]) -> tuple[F32, ...]:
        sizes.append(feeds["queries"].shape[0])
        if refusals:
            raise refusals.pop()
        return run(session, feeds, outputs)

    monkeypatch.setattr(Session, "run_bound", run_if_room)
    monkeypatch.setattr(cuda_engine, "_RUN_SCORES", 8 * 64)
    engine = CudaEngine(rows, device=CPU)
    assert_engine(engine, queries, rows, 5)
    assert sizes == [8, 4, 4]
    refusals += [DeviceMemoryError("no room")] * 2
    with pytest.raises(DeviceMemoryError, match="no room"):
        engine.topk(queries, 5)


@pytest.mark.parametrize("act", ["upload", "run_bound"])
def test_what_is_no_lack_of_room_is_not_tried_again(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, calls = np.random.default_rng(0), list[str]()
    rows, queries = unit_rows(random, 64), unit_rows(random, 8)
    engine = CudaEngine(rows, device=CPU)

    def fail(*_: object, **__: object) -> None:
        calls.append(act)
        raise ProviderError("an illegal memory access was encountered")

    monkeypatch.setattr(Session, act, fail)
    with pytest.raises(ProviderError, match="illegal memory access"):
        CudaEngine(rows, device=CPU) if act == "upload" else engine.topk(queries, 5)
    assert calls == [act]


ROWS = np.ones((3, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("queries", "k", "allowed", "error", "message"),
    [
        (ROWS, 0, None, ValueError, "k is 0, wanted at least 1"),
        (ROWS[:, :1], 1, None, ValueError, "width 1, but the corpus has width 2"),
        (ROWS * np.float32(np.nan), 1, None, ValueError, "queries row 0 holds nan"),
        (ROWS.astype(float), 1, None, TypeError, "queries is float64"),
        (ROWS, 1, np.ones(2, bool), ValueError, r"allowed has shape \(2,\), wanted \(3,\)"),
    ],
)
def test_a_wrong_argument_is_told_apart(
    queries: F32, k: int, allowed: Mask | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CudaEngine(ROWS, device=CPU).topk(queries, k, allowed=allowed)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_named(bad: float) -> None:
    rows = np.ones((300, 4), dtype=np.float32)
    rows[217, 2] = bad
    with pytest.raises(ValueError, match=f"rows row 217 holds {bad}, wanted finite numbers"):
        CudaEngine(rows, device=CPU, chunk_bytes=100 * 8)


def test_no_rows_give_no_hits() -> None:
    ids, scores = CudaEngine(ROWS[:0], device=CPU).topk(ROWS, 3)
    assert ids.shape == scores.shape == (3, 0)
