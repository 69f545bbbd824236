"""Every update step of the top-k equals brute force, on adversarial corpora."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import F32, MATRICES, SearchCase, assert_topk, search_cases

from twinlens_kernels import NATIVE
from twinlens_kernels.tiled import corpus as corpora
from twinlens_kernels.tiled import topk, update_numpy
from twinlens_kernels.tiled.corpus import Corpus
from twinlens_kernels.tiled.topk import UpdateTopk

UPDATES: dict[str, UpdateTopk] = {"numpy": update_numpy.update_topk}
if NATIVE:
    from twinlens_kernels.tiled import update_native

    UPDATES["native"] = update_native.update_topk


@pytest.fixture(params=UPDATES)
def update_topk(request: pytest.FixtureRequest) -> UpdateTopk:
    return UPDATES[request.param]


def whole(rows: F32) -> Corpus:
    return Corpus.allowed(rows, None)


def assert_exact(
    queries: F32, corpus: F32, k: int, update_topk: UpdateTopk, *, threads: int = 1
) -> None:
    """Ids, order and scores are those of brute force."""
    found = topk.tiled_topk(queries, whole(corpus), k, update_topk=update_topk, threads=threads)
    assert_topk(found, queries, corpus, k)


@pytest.mark.parametrize("name", UPDATES)
@settings(max_examples=300, deadline=None)
@given(
    case=search_cases(n_queries=9, n_rows=(0, 90), width=67, k=100, shares=(None,)),
    tile_rows=st.integers(1, 100),
    threads=st.integers(1, 3),
)
def test_topk_equals_brute_force_on_any_finite_input(
    name: str, case: SearchCase, tile_rows: int, threads: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "_MIN_TILE_ROWS", tile_rows)
        patch.setattr(corpora, "_MAX_TILE_ROWS", tile_rows)
        patch.setattr(topk, "_MAX_BLOCK_QUERIES", 4)
        assert_exact(case.queries, case.rows, case.k, UPDATES[name], threads=threads)


@pytest.mark.parametrize("k", [1, 10, 700])
def test_topk_is_exact_over_many_whole_tiles(update_topk: UpdateTopk, k: int) -> None:
    random = np.random.default_rng(7)
    corpus = random.standard_normal((20_000, 129)).astype(np.float32)
    queries = random.standard_normal((5, 129)).astype(np.float32)
    assert_exact(queries, corpus, k, update_topk, threads=2)


def test_topk_breaks_ties_by_the_lower_row(update_topk: UpdateTopk) -> None:
    corpus = np.tile(np.eye(3, dtype=np.float32), (4, 1))
    ids, _ = topk.tiled_topk(corpus[:3], whole(corpus), 4, update_topk=update_topk, threads=1)
    assert ids.tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_a_hundred_thousand_equal_rows_are_no_trouble(update_topk: UpdateTopk) -> None:
    corpus = np.ones((100_000, 64), dtype=np.float32)
    ids, scores = topk.tiled_topk(corpus[:2], whole(corpus), 5, update_topk=update_topk, threads=1)
    assert ids.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert (scores == 64).all()


def test_topk_does_not_depend_on_batch_mates(update_topk: UpdateTopk) -> None:
    random = np.random.default_rng(3)
    corpus = MATRICES["near ties"](random, (500, 33))
    queries = random.standard_normal((40, 33)).astype(np.float32)
    together = topk.tiled_topk(queries, whole(corpus), 9, update_topk=update_topk, threads=3)
    for row in range(len(queries)):
        alone = topk.tiled_topk(
            queries[row : row + 1], whole(corpus), 9, update_topk=update_topk, threads=1
        )
        np.testing.assert_array_equal(alone[0][0], together[0][row])
        np.testing.assert_array_equal(alone[1][0], together[1][row])


def test_topk_takes_strided_and_read_only_arrays(update_topk: UpdateTopk) -> None:
    random = np.random.default_rng(5)
    wide = random.standard_normal((50, 40)).astype(np.float32)
    wide.flags.writeable = False
    assert_exact(wide[::7, ::2], wide[:, ::2], 6, update_topk)
    assert_exact(np.asfortranarray(wide[:3]), np.asfortranarray(wide), 6, update_topk)


def test_a_score_beyond_float32_is_ranked_and_exact(update_topk: UpdateTopk) -> None:
    corpus = np.array([[1e38], [3e38], [2e38]], dtype=np.float32)
    ids, scores = topk.tiled_topk(corpus[:1], whole(corpus), 3, update_topk=update_topk, threads=1)
    assert ids.tolist() == [[1, 2, 0]]
    wide = corpus.astype(np.float64)
    assert scores.tolist() == [(wide[0, 0] * wide[ids[0], 0]).tolist()]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_named(update_topk: UpdateTopk, bad: float) -> None:
    corpus = np.ones((600, 2), dtype=np.float32)
    corpus[[513, 599], 1] = bad
    with pytest.raises(ValueError, match=f"corpus row 513 holds {bad}, wanted finite numbers"):
        topk.tiled_topk(corpus[:1], whole(corpus), 1, update_topk=update_topk, threads=1)
    with pytest.raises(ValueError, match=f"queries row 513 holds {bad}, wanted finite numbers"):
        topk.tiled_topk(corpus, whole(corpus[:1]), 1, update_topk=update_topk, threads=1)
