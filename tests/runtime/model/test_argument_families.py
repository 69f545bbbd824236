"""Words of arguments: each call of a family takes what the others of it take."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import twinlens
from twinlens import Model

TAKES_PICTURES = frozenset({"images", "others", "pictures"})
TAKES_TEXTS = frozenset({"texts", "labels"})
TAKES_TABLES = frozenset({"pairs", "query_data", "queries"})

NO_PICTURES = {
    "preprocess": "of one picture there is no other to spare",
    "embed_images_on_device": "one batch stays on the device: no row can be looked at",
    "probabilities": "takes rows",
    "probabilities_on_device": "takes rows",
    "classify_rows": "takes rows",
    "evaluate_retrieval": "takes rows",
    "calibration_for": "takes the kind of pairs",
    "match_texts": "takes texts alone",
}
NO_TEXTS = {
    "probabilities": "takes rows",
    "probabilities_on_device": "takes rows",
    "classify_rows": "takes rows",
    "evaluate_retrieval": "takes rows",
    "calibration_for": "takes the kind of pairs",
    "match_images": "takes pictures alone",
}
ON_CALLING_THREAD = {"preprocess", "tokenize", "embed_images_on_device", "embed_texts_on_device"}
"""Calls of a service's parts and of one batch: they end at once, without a bar."""
FUNCTIONS = (
    twinlens.calibrate,
    twinlens.evaluate,
    twinlens.evaluate_retrieval,
    twinlens.semantic_search,
)


def calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Methods of the model and functions of the face that embed what they are given."""
    for name, method in inspect.getmembers(Model, callable):
        if not name.startswith("_"):
            yield name, method
    for function in FUNCTIONS:
        yield function.__name__, function


def words_of(call: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(call).parameters)


CALLS = [pytest.param(name, words_of(call), id=name) for name, call in calls()]


@pytest.mark.parametrize(("name", "words"), CALLS)
def test_a_call_that_takes_pictures_has_on_error(name: str, words: set[str]) -> None:
    if words & (TAKES_PICTURES | TAKES_TABLES):
        assert ("on_error" in words) != (name in NO_PICTURES)


@pytest.mark.parametrize(("name", "words"), CALLS)
def test_a_call_that_takes_texts_has_on_cut(name: str, words: set[str]) -> None:
    if words & (TAKES_TEXTS | TAKES_TABLES):
        assert ("on_cut" in words) != (name in NO_TEXTS)


@pytest.mark.parametrize(("name", "words"), CALLS)
def test_a_call_that_embeds_several_has_progress(name: str, words: set[str]) -> None:
    if words & {"on_error", "on_cut"}:
        assert ("progress" in words) != (name in ON_CALLING_THREAD)


@pytest.mark.parametrize(("name", "words"), CALLS)
def test_a_call_that_tells_probabilities_has_prior_and_level(name: str, words: set[str]) -> None:
    tells = name.startswith(("match", "predict", "probabilities")) or name == "evaluate"
    assert ("prior" in words) == tells
    assert ("level" in words) == (tells or name == "calibration_for")
    assert {"prior", "level"} <= words_of(twinlens.AsyncModel.match)


@pytest.mark.parametrize("name", ["predict", "predict_proba"])
def test_columns_are_named_by_either_pair_of_words(name: str) -> None:
    assert {"image", "text", "query", "response"} <= words_of(getattr(Model, name))
