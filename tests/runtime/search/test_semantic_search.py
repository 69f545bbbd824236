import numpy as np
import pytest

from twinlens.search.semantic_search import semantic_search


def test_each_query_gets_its_responses_best_first() -> None:
    responses = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
    found = semantic_search(np.array([[2.0, 0.0], [0.0, 1.0]]), responses, top_k=2)
    assert [[hit["response_id"] for hit in hits] for hits in found] == [[0, 2], [1, 2]]
    assert [hit["score"] for hit in found[0]] == pytest.approx([1.0, 0.6])


def test_responses_are_plain_numbers() -> None:
    ((hit,),) = semantic_search(np.ones(4), np.ones((1, 4)))
    assert hit == {"response_id": 0, "score": 1.0}
    assert [type(value) for value in hit.values()] == [int, float]
