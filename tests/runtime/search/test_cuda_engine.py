"""Search on a device: brute force's answer on any finite input, run here on the CPU provider."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinlens.errors import DeviceMemoryError, ProviderError
from twinlens.ort.device import CPU
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.session import Session
from twinlens.search import cuda_engine
from twinlens.search.cuda_engine import CudaEngine
from twinlens_kernels import encode, reference

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Answer = tuple[NDArray[np.int64], F32]
Feeds = Mapping[str, NDArray[np.generic] | OnDevice]
Matrices = Mapping[str, Callable[[np.random.Generator, tuple[int, int]], F32]]


def unit(random: np.random.Generator, n: int, width: int = 32) -> F32:
    rows = random.normal(size=(n, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def assert_brute_force(
    found: Answer,
    queries: F32,
    rows: F32,
    k: int,
    allowed: Mask | None = None,
) -> None:
    kept = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    places, wanted = reference.topk(queries, rows[kept], k)
    np.testing.assert_array_equal(found[0], kept[places])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(found[1], wanted.astype(np.float32))
    assert (found[0].dtype, found[1].dtype) == (np.int64, np.float32)


@pytest.fixture
def host_queries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many queries each search on the host was asked."""
    asked: list[int] = []
    search = cuda_engine.topk

    def count(queries: F32, rows: F32, k: int, **wishes: Any) -> Answer:  # noqa: ANN401
        asked.append(len(queries))
        return search(queries, rows, k, **wishes)

    monkeypatch.setattr(cuda_engine, "topk", count)
    return asked


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candidates a chunk was asked for in each run."""
    asked: list[int] = []
    cuts = cuda_engine.cuts

    def count(n_queries: int, n_rows: int, wanted: int) -> dict[str, NDArray[np.int64]]:
        asked.append(wanted)
        return cuts(n_queries, n_rows, wanted)

    monkeypatch.setattr(cuda_engine, "cuts", count)
    return asked


@settings(max_examples=200, deadline=None)
@given(
    kinds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    n_queries=st.integers(0, 6),
    n_rows=st.integers(1, 300),
    width=st.integers(1, 80),
    k=st.integers(1, 60),
    share_allowed=st.sampled_from([None, 0.0, 0.02, 0.5, 1.0]),
    chunk_share=st.floats(0, 1),
    device_share=st.sampled_from([None, 0.0, 0.4]),
    kept_more=st.sampled_from([0, 128]),
    coded=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_answer_is_that_of_brute_force_on_any_finite_input(
    matrices: Matrices,
    kinds: tuple[int, int],
    n_queries: int,
    n_rows: int,
    width: int,
    k: int,
    share_allowed: float | None,
    chunk_share: float,
    device_share: float | None,
    kept_more: int,
    coded: bool,
    seed: int,
) -> None:
    random, makers = np.random.default_rng(seed), list(matrices.values())
    queries = makers[kinds[0] % len(makers)](random, (n_queries, width))
    rows = makers[kinds[1] % len(makers)](random, (n_rows, width))
    allowed = None if share_allowed is None else random.random(n_rows) < share_allowed
    search = CudaEngine(
        rows,
        device=CPU,
        codes=encode(rows, centre=np.zeros(width, dtype=np.float32)) if coded else None,
        chunk_bytes=max(1, int(chunk_share * 2 * width * n_rows)),
        device_bytes=None if device_share is None else int(device_share * 2 * width * n_rows),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_engine, "_KEPT_MORE", kept_more)
        found = search.topk(queries, k, allowed=allowed)
    assert_brute_force(found, queries, rows, k, allowed)


def test_halls_and_chunks_lose_no_row(host_queries: list[int]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 20_000), unit(random, 3)
    # Chunks of 9 groups in 9 halls, the last one of another size; hits lie on their borders.
    search = CudaEngine(rows, device=CPU, chunk_bytes=9000 * 64)
    rows[[0, 8999, 9000, 17_999, 18_000, 19_999]] = queries[0]
    search = CudaEngine(rows, device=CPU, chunk_bytes=9000 * 64)
    assert_brute_force(search.topk(queries, 50), queries, rows, 50)
    assert not host_queries
    assert len(search) == 20_000


def test_a_filter_may_leave_out_whole_chunks(host_queries: list[int]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 1000), unit(random, 2)
    search = CudaEngine(rows, device=CPU, chunk_bytes=100 * 64)
    allowed = np.zeros(1000, dtype=np.bool_)
    allowed[300:400] = allowed[[950, 999]] = True
    for k in (1, 102, 103):
        found = search.topk(queries, k, allowed=allowed)
        assert_brute_force(found, queries, rows, k, allowed)
    assert not host_queries


def test_rows_that_the_device_has_no_room_for_are_searched_by_the_host(
    host_queries: list[int],
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 500), unit(random, 2)
    search = CudaEngine(rows, device=CPU, device_bytes=200 * 64)
    assert_brute_force(search.topk(queries, 20), queries, rows, 20)
    assert host_queries == [2]


def test_a_query_that_is_not_settled_asks_for_more(
    host_queries: list[int], kept: list[int]
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 5000), unit(random, 3)
    rows[2000:2300] = queries[1]
    search = CudaEngine(rows, device=CPU)
    assert_brute_force(search.topk(queries, 5), queries, rows, 5)
    assert kept == [133, 8 * 133]
    assert not host_queries


def test_a_query_that_more_candidates_do_not_settle_goes_to_the_host(
    host_queries: list[int], kept: list[int]
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 5000), unit(random, 3)
    rows[1000:3000] = queries[1]
    search = CudaEngine(rows, device=CPU)
    assert_brute_force(search.topk(queries, 5), queries, rows, 5)
    assert (kept, host_queries) == ([133, 8 * 133], [1])


def test_more_hits_than_a_chunk_gives_are_found_by_the_host(host_queries: list[int]) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 3000), unit(random, 1)
    found = CudaEngine(rows, device=CPU).topk(queries, 2500)
    assert_brute_force(found, queries, rows, 2500)
    assert host_queries == [1]


def test_a_device_that_scores_too_low_is_not_trusted(
    host_queries: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 500), unit(random, 2)
    search = CudaEngine(rows, device=CPU)
    run = Session.run_bound

    def low(session: Session, feeds: Feeds, outputs: Sequence[str]) -> tuple[F32, ...]:
        scores, places = run(session, feeds, outputs)
        return scores - np.float32(30), places

    monkeypatch.setattr(Session, "run_bound", low)
    with caplog.at_level(logging.WARNING, "twinlens"):
        assert_brute_force(search.topk(queries, 5), queries, rows, 5)
    assert host_queries == [2]
    assert "a score is above its upper bound" in caplog.text


def test_chunks_are_halved_once_where_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 100), unit(random, 2)
    refusals, sizes, upload = [DeviceMemoryError("no room")], list[int](), Session.upload

    def upload_if_room(session: Session, array: NDArray[np.generic]) -> OnDevice:
        sizes.append(len(array))
        if refusals:
            raise refusals.pop()
        return upload(session, array)

    monkeypatch.setattr(Session, "upload", upload_if_room)
    search = CudaEngine(rows, device=CPU, chunk_bytes=64 * 64)
    # Each chunk comes with its mask, of one row.
    assert sizes == [64, 32, 1, 32, 1, 32, 1, 4, 1]
    assert_brute_force(search.topk(queries, 5), queries, rows, 5)
    refusals += [DeviceMemoryError("no room")] * 2
    with pytest.raises(
        DeviceMemoryError,
        match=r"cpu has no room for 100 rows of 64 bytes \(no room\); pass device_bytes",
    ):
        CudaEngine(rows, device=CPU, chunk_bytes=64 * 64)


def test_queries_are_halved_once_where_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rows, queries = unit(random, 64), unit(random, 8)
    refusals, sizes, run = [DeviceMemoryError("no room")], list[int](), Session.run_bound

    def run_if_room(session: Session, feeds: Feeds, outputs: Sequence[str]) -> tuple[F32, ...]:
        sizes.append(feeds["queries"].shape[0])
        if refusals:
            raise refusals.pop()
        return run(session, feeds, outputs)

    monkeypatch.setattr(Session, "run_bound", run_if_room)
    monkeypatch.setattr(cuda_engine, "_RUN_SCORES", 8 * 64)
    search = CudaEngine(rows, device=CPU)
    assert_brute_force(search.topk(queries, 5), queries, rows, 5)
    assert sizes == [8, 4, 4]
    refusals += [DeviceMemoryError("no room")] * 2
    with pytest.raises(DeviceMemoryError, match="no room"):
        search.topk(queries, 5)


@pytest.mark.parametrize("act", ["upload", "run_bound"])
def test_what_is_no_lack_of_room_is_not_tried_again(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, calls = np.random.default_rng(0), list[str]()
    rows, queries = unit(random, 64), unit(random, 8)
    search = CudaEngine(rows, device=CPU)

    def fail(*_: object, **__: object) -> None:
        calls.append(act)
        raise ProviderError("an illegal memory access was encountered")

    monkeypatch.setattr(Session, act, fail)
    with pytest.raises(ProviderError, match="illegal memory access"):
        CudaEngine(rows, device=CPU) if act == "upload" else search.topk(queries, 5)
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
