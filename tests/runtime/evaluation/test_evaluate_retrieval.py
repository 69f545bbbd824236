"""Evaluation from embeddings alone agrees with scikit-learn and with counts by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from twinlens import PairsError, evaluate_retrieval


@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_graded_figures_are_those_of_scikit_learn(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    queries, responses = random.normal(size=(7, 5)), random.normal(size=(9, 5))
    gains = random.integers(0, 4, size=(7, 9))
    gains[:, 0] += gains.sum(axis=1) == 0
    asking, rows = np.nonzero(gains >= 0)
    table = np.stack([asking, rows, gains[asking, rows]], axis=1)
    found = evaluate_retrieval(queries, responses, table, cutoffs=[k]).figures
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (queries, responses)]
    cosines = unit[0] @ unit[1].T
    relevant = gains > 0
    order = np.argsort(-cosines, axis=1)[:, :k]
    hits = np.take_along_axis(relevant, order, axis=1)
    firsts = np.take_along_axis(relevant, np.argsort(-cosines, axis=1), axis=1).argmax(axis=1)
    expected = {
        f"ndcg_at_{k}": ndcg_score(gains, cosines, k=k),
        f"precision_at_{k}": (hits.sum(axis=1) / k).mean(),
        f"recall_any_at_{k}": hits.any(axis=1).mean(),
        f"recall_share_at_{k}": (hits.sum(axis=1) / relevant.sum(axis=1)).mean(),
        "reciprocal_rank": (1 / (1 + firsts)).mean(),
        "average_precision": label_ranking_average_precision_score(relevant, cosines),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name
        assert found[name].low <= found[name].value <= found[name].high


def test_a_table_of_any_kind_and_none_at_all_mean_the_same() -> None:
    rows = np.eye(4)
    tables = [
        None,
        {"query": [0, 1, 2, 3], "response": [0, 1, 2, 3]},
        pd.DataFrame({"query": range(4), "response": range(4), "relevance": 1}),
        [[0, 0], [1, 1], [2, 2], [3, 3], [3, 3]],
    ]
    found = [evaluate_retrieval(rows, rows, table, cutoffs=(1, 3)) for table in tables]
    assert all(one == found[0] for one in found)
    assert found[0].figures["recall_any_at_1"].value == 1
    assert found[0].figures["precision_at_3"].value == pytest.approx(1 / 3)


def test_a_query_without_a_relevant_row_is_counted_and_left_out() -> None:
    found = evaluate_retrieval(np.eye(3), np.eye(3), [[0, 0, 2], [1, 0, 0], [2, 1, 1]])
    assert (found.queries, found.unjudged, found.candidates) == (2, 1, 3)
    assert found.figures["recall_any_at_1"].value == 0.5


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[0, 7]], "response 7 does not exist; there are 3, from 0"),
        ([[-1, 0]], "query -1 does not exist"),
        ([[0, 0, 0]], "no row is relevant to a query"),
        ([[0, 0, -1]], "wanted numbers of 0 or more"),
        ([0, 1], r"shape \[2\], wanted \[M, 2\] or \[M, 3\]"),
        ({"query": ["a"], "response": [0]}, "wanted row numbers"),
        ({"query": [0, 1], "response": [0]}, "differ in length"),
    ],
)
def test_a_table_that_means_nothing_is_refused(table: object, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        evaluate_retrieval(np.eye(3), np.eye(3), table)


def test_rows_that_are_no_pairs_need_a_table() -> None:
    with pytest.raises(PairsError, match="3 queries and 2 responses are not pairs"):
        evaluate_retrieval(np.eye(3), np.eye(3)[:2])
    with pytest.raises(ValueError, match="a cut-off"):
        evaluate_retrieval(np.eye(3), np.eye(3), cutoffs=[0])
    with pytest.raises(TypeError, match="cutoffs is a int; give a list of integers"):
        evaluate_retrieval(np.eye(3), np.eye(3), cutoffs=5)  # type: ignore[arg-type]
