"""Retrieval measures agree with counts by hand and with scikit-learn."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from twinlens.evaluation.negative_sampling import sample_negatives
from twinlens.metrics import retrieval
from twinlens.metrics.bootstrap import Resamples
from twinlens.metrics.retrieval import MEASURES, Ranks, measure_retrieval, rank
from twinlens.metrics.zero_shot import measure_zero_shot
from twinlens.normalization import unit_rows

F32 = NDArray[np.float32]
PROMISED = 1e-6

Right = tuple[NDArray[np.intp], NDArray[np.intp]]


def ranks_of(*ranks: int, candidates: int = 100) -> Ranks:
    """Ranks of a single query."""
    return Ranks(
        queries=np.zeros(len(ranks), np.intp), ranks=np.array(ranks), candidates=candidates
    )


def world(seed: int, n_queries: int = 30, n_candidates: int = 70) -> tuple[F32, F32, Right]:
    """Queries, candidates, and one to four relevant rows of each query."""
    random = np.random.default_rng(seed)
    candidates = unit_rows(random.normal(size=(n_candidates, 8)))
    pairs = [
        (query, int(answer))
        for query in range(n_queries)
        for answer in random.choice(n_candidates, random.integers(1, 5), replace=False)
    ]
    asking, own = (np.array(side, dtype=np.intp) for side in zip(*pairs, strict=True))
    near = candidates[own[np.searchsorted(asking, np.arange(n_queries))]]
    queries = unit_rows(near + 0.3 * random.normal(size=near.shape))
    shuffled = random.permutation(len(asking))
    return queries, candidates, (asking[shuffled], own[shuffled])


def test_one_right_answer_in_third_place() -> None:
    found = {name: float(values[0]) for name, values in ranks_of(2).measures().items()}
    assert found == {
        "recall_any_at_1": 0,
        "recall_any_at_5": 1,
        "recall_any_at_10": 1,
        "recall_share_at_1": 0,
        "recall_share_at_5": 1,
        "recall_share_at_10": 1,
        "average_precision": pytest.approx(1 / 3),
        "ndcg_at_10": pytest.approx(1 / np.log2(4)),
    }


def test_the_two_recalls_differ_where_a_query_has_several_answers() -> None:
    found = ranks_of(0, 3, 40).measures()
    assert found["recall_any_at_1"] == 1
    assert found["recall_share_at_1"] == pytest.approx(1 / 3)
    assert found["recall_share_at_5"] == pytest.approx(2 / 3)
    assert found["average_precision"] == pytest.approx((1 / 1 + 2 / 4 + 3 / 41) / 3)
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 / np.log2(5)) / ideal)


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_gain_are_those_of_scikit_learn(seed: int) -> None:
    queries, candidates, relevant = world(seed)
    truths = np.zeros((len(queries), len(candidates)), dtype=int)
    truths[relevant] = 1
    cosines = queries @ candidates.T
    found = rank(queries, candidates, relevant=relevant).measures()
    wanted = label_ranking_average_precision_score(truths, cosines)
    assert found["average_precision"].mean() == pytest.approx(wanted, abs=PROMISED)
    wanted = ndcg_score(truths, cosines, k=10)
    assert found["ndcg_at_10"].mean() == pytest.approx(wanted, abs=PROMISED)


@pytest.mark.parametrize("seed", range(3))
def test_recall_counts_the_sorted_list(seed: int) -> None:
    queries, candidates, relevant = world(seed)
    order = np.argsort(-(queries @ candidates.T), axis=1, kind="stable")
    found = rank(queries, candidates, relevant=relevant).measures()
    for k, query in itertools.product((1, 5, 10), range(len(queries))):
        own = set(relevant[1][relevant[0] == query].tolist())
        hits = len(own & set(order[query, :k].tolist()))
        assert found[f"recall_any_at_{k}"][query] == (hits > 0)
        assert found[f"recall_share_at_{k}"][query] == pytest.approx(hits / len(own))


def test_ranks_do_not_depend_on_how_many_are_computed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queries, candidates, relevant = world(1)
    whole = rank(queries, candidates, relevant=relevant)
    monkeypatch.setattr(retrieval, "SCORES_AT_ONCE", 7 * len(candidates))
    parts = rank(queries, candidates, relevant=relevant)
    np.testing.assert_array_equal(whole.ranks, parts.ranks)
    np.testing.assert_array_equal(whole.queries, parts.queries)


def test_of_equal_cosines_the_lower_row_comes_first() -> None:
    same = np.ones((1, 1), np.float32)
    for row in range(3):
        found = rank(same, np.ones((3, 1), np.float32), relevant=(np.array([0]), np.array([row])))
        assert found.ranks.tolist() == [row]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True))
def test_measures_stay_between_0_and_1_and_any_is_never_less_than_share(ranks: list[int]) -> None:
    found = ranks_of(*ranks).measures()
    assert list(found) == list(MEASURES)
    assert all(0 <= values[0] <= 1 + 1e-12 for values in found.values())
    for k in (1, 5, 10):
        assert found[f"recall_any_at_{k}"] >= found[f"recall_share_at_{k}"]


@given(st.integers(1, 20))
def test_all_right_answers_first_is_perfect(count: int) -> None:
    found = ranks_of(*range(count)).measures()
    assert found["average_precision"] == pytest.approx(1)
    assert found["ndcg_at_10"] == pytest.approx(1)


def test_a_query_without_an_answer_is_refused() -> None:
    rows = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="query 1 has no relevant row"):
        rank(rows, rows, relevant=(np.array([0]), np.array([0])))


def test_the_median_rank_is_of_the_best_answers_and_starts_at_1() -> None:
    ranks = Ranks(queries=np.array([0, 0, 1, 2]), ranks=np.array([9, 0, 2, 6]), candidates=20)
    found = measure_retrieval(ranks, Resamples(np.arange(3)))
    assert found.median_rank == 3
    assert (found.queries, found.candidates) == (3, 20)


def test_a_change_is_paired_and_narrower_than_the_figures() -> None:
    queries, candidates, relevant = world(0, n_queries=60)
    random = np.random.default_rng(9)
    blurred = unit_rows(queries + 0.02 * random.normal(size=queries.shape))
    before, after = (rank(side, candidates, relevant=relevant) for side in (queries, blurred))
    found = measure_retrieval(after, Resamples(np.arange(60)), before=before)
    assert found.change is not None
    for name, change in found.change.items():
        figure = found.figures[name]
        assert change.high - change.low <= figure.high - figure.low
        lost = after.measures()[name].mean() - before.measures()[name].mean()
        assert change.value == pytest.approx(lost)


def test_without_a_change_the_loss_is_nothing() -> None:
    queries, candidates, relevant = world(0)
    ranks = rank(queries, candidates, relevant=relevant)
    found = measure_retrieval(ranks, Resamples(np.arange(30)), before=ranks)
    assert found.change is not None
    assert all(c.value == c.low == c.high == 0 for c in found.change.values())


def test_top_5_takes_a_label_in_fifth_place() -> None:
    ranks = Ranks(queries=np.arange(4), ranks=np.array([0, 4, 5, 0]), candidates=8)
    found = measure_zero_shot(ranks, Resamples(np.arange(4)), labels=list("abcdefgh"))
    assert (found.figures["top1"].value, found.figures["top5"].value) == (0.5, 0.75)


@pytest.mark.parametrize("kind", ["random", "hard"])
def test_wrong_texts_are_wrong_and_as_many_as_the_right_ones(kind: str) -> None:
    images, texts, relevant = world(2)
    owners, chosen = sample_negatives(images, texts, relevant=relevant, kind=kind)  # type: ignore[arg-type]
    pairs = set(zip(owners.tolist(), chosen.tolist(), strict=True))
    assert len(pairs) == len(owners)
    assert not pairs & set(zip(relevant[0].tolist(), relevant[1].tolist(), strict=True))
    np.testing.assert_array_equal(np.bincount(owners), np.bincount(relevant[0]))


def test_hard_ones_are_the_nearest() -> None:
    images = unit_rows(np.array([[1.0, 0.1]]))
    texts = unit_rows(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5], [-1.0, 0.0]]))
    relevant = (np.array([0]), np.array([0]))
    assert sample_negatives(images, texts, relevant=relevant, kind="hard")[1].tolist() == [2]


def test_an_image_that_all_texts_fit_has_no_wrong_one() -> None:
    images, texts = np.ones((1, 1), np.float32), np.ones((2, 1), np.float32)
    owners, chosen = sample_negatives(
        images, texts, relevant=(np.array([0, 0]), np.array([0, 1])), kind="random"
    )
    assert owners.size == chosen.size == 0
