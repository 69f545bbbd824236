"""Search by codes in parallel: by several threads of one search, and by concurrent searches."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from search_cases import F32, MATRICES, PATHS, assert_ranges, assert_topk, mean_row

from twinlens_kernels import NATIVE, Codes, encode, reference

if NATIVE:
    from twinlens_kernels import native

# So many rows and codes that four threads are worth their start (coded_topk.hpp).
N_ROWS, WIDTH = 3 * 4096 + 65, 260


def assert_exact(queries: F32, rows: F32, codes: Codes, k: int, path: str, threads: int) -> None:
    coded = native.coded_corpus(rows, codes, None)
    wanted_ids, wanted = reference.topk(queries, rows, k)
    ids, scores = native.topk(queries, coded, k, threads=threads, path=path)
    np.testing.assert_array_equal(ids, wanted_ids)
    np.testing.assert_array_equal(scores, wanted)
    floors = wanted[:, -1].copy()
    ranges = native.within(queries, coded, floors, threads=threads, path=path)
    assert_ranges(ranges, queries, rows, floors)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("kind", "residual"), [("normal", False), ("near ties", True), ("rows of any length", False)]
)
def test_threads_that_share_the_rows_find_what_one_finds(
    path: str, kind: str, residual: bool
) -> None:
    random = np.random.default_rng(3)
    rows = MATRICES[kind](random, (N_ROWS, WIDTH))
    # Equal rows that different threads meet: only the lower ones are hits.
    rows[5000] = rows[9000] = rows[12300] = rows[7]
    queries = np.concatenate([rows[7:8], MATRICES["normal"](random, (2, WIDTH))])
    codes = encode(rows, centre=mean_row(rows), residual=residual, threads=2)
    for k in (2, 70):
        assert_exact(queries, rows, codes, k, path, threads=4)


@pytest.mark.parametrize("path", PATHS)
def test_threads_that_share_the_queries_find_what_one_finds(path: str) -> None:
    random = np.random.default_rng(6)
    # Queries and rows enough that each of three threads takes a third of the queries
    # (query_parts.hpp); the last of them has fewer.
    rows, queries = MATRICES["near ties"](random, (4300, 70)), MATRICES["normal"](random, (50, 70))
    rows[3000] = rows[7]
    coded = native.coded_corpus(rows, encode(rows, centre=mean_row(rows)), None)
    found = [native.topk(queries, coded, 40, threads=threads, path=path) for threads in (1, 2, 3)]
    assert_topk(found[0], queries, rows, 40, None)
    for ids, scores in found[1:]:
        np.testing.assert_array_equal(ids, found[0][0])
        np.testing.assert_array_equal(scores, found[0][1])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("n_queries", "k", "barred"), [(1, 1000, False), (20, 60, True)])
def test_floors_guessed_from_a_sample_that_misleads(
    path: str, threads: int, n_queries: int, k: int, barred: bool
) -> None:
    """All rows of the sample are eighths, which score best, or worst, or as the others do."""
    random = np.random.default_rng(k)
    rows = MATRICES["normal"](random, (8192, 65))
    queries = MATRICES["normal"](random, (n_queries, 65))
    allowed = random.random(len(rows)) < 0.9 if barred else None
    for lift in (30, -30, 0):
        lifted = rows.copy()
        lifted[::8, 0] += lift
        queries[:, 0] = abs(queries[:, 0]) + 1
        codes = encode(lifted, centre=mean_row(lifted), residual=lift == 0)
        coded = native.coded_corpus(lifted, codes, allowed)
        found = native.topk(queries, coded, k, threads=threads, path=path)
        assert_topk(found, queries, lifted, k, allowed)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 129])
def test_whole_blocks_and_parts_of_one(path: str, n_rows: int) -> None:
    random = np.random.default_rng(n_rows)
    rows = MATRICES["normal"](random, (n_rows, 65))
    codes = encode(rows, centre=mean_row(rows), residual=True)
    for n_queries in (1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 255, 256, 257):
        queries = MATRICES["normal"](random, (n_queries, 65))
        assert_exact(queries, rows, codes, n_rows, path, threads=1)


@pytest.mark.parametrize("path", PATHS)
def test_codes_that_lie_anywhere_in_memory(path: str) -> None:
    random = np.random.default_rng(4)
    rows = MATRICES["normal"](random, (205, 70))
    whole = encode(rows, centre=rows[0], residual=True)
    # An odd address: as a file that is mapped behind a header may give.
    room = np.empty(whole.codes.nbytes + 3, dtype=np.uint8)[3:].reshape(whole.codes.shape)
    room[:] = whole.codes
    moved = Codes(codes=room, terms=whole.terms, centre=rows[0], residual=whole.residual)
    for codes, part in ((moved[5:], rows[5:]), (whole[::2], rows[::2]), (moved[7:8], rows[7:8])):
        assert_exact(rows[:3], part, codes, len(part), path, threads=1)


@pytest.mark.parametrize("path", PATHS)
def test_searches_of_many_threads_do_not_meet(path: str) -> None:
    random = np.random.default_rng(5)
    rows, queries = MATRICES["normal"](random, (3000, 65)), MATRICES["normal"](random, (120, 65))
    coded = native.coded_corpus(rows, encode(rows, centre=mean_row(rows)), None)
    wanted, _ = reference.topk(queries, rows, 9)

    def search(turn: int) -> bool:
        asked = slice(0, (1, 3, 20, 120)[turn % 4])
        ids, _ = native.topk(queries[asked], coded, 9, threads=1 + turn % 2, path=path)
        return np.array_equal(ids, wanted[asked])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(search, range(60)))
