import numpy as np
import pandas as pd
import pytest

from twinlens import ImageError, Model, TextError
from twinlens.demo.samples import bundled_drawings
from twinlens.search.semantic_search import semantic_search

DRAWINGS = bundled_drawings()[:9]
PATHS = [str(drawing.path) for drawing in DRAWINGS]
NAMES = [drawing.caption for drawing in DRAWINGS]


def test_each_query_gets_its_responses_best_first() -> None:
    responses = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
    found = semantic_search(np.array([[2.0, 0.0], [0.0, 1.0]]), responses, top_k=2)
    assert [[hit["response_id"] for hit in hits] for hits in found] == [[0, 2], [1, 2]]
    assert [hit["score"] for hit in found[0]] == pytest.approx([1.0, 0.6])


def test_responses_are_plain_numbers() -> None:
    ((hit,),) = semantic_search(np.ones(4), np.ones((1, 4)))
    assert hit == {"response_id": 0, "score": 1.0}
    assert [type(value) for value in hit.values()] == [int, float]


def test_data_that_a_model_embeds_give_the_hits_of_their_rows(model: Model) -> None:
    texts, images = model.embed_texts(NAMES), model.embed_images(PATHS)
    wanted = semantic_search(texts, images, 3)
    assert wanted == semantic_search(texts, images, top_k=3)
    frame = pd.DataFrame({"query": NAMES, "response": PATHS, "price": 1})
    for given in (
        {"query_data": NAMES, "response_data": PATHS},
        {"query_data": {"text": NAMES}, "response_data": {"image": PATHS}},
        {"query_data": frame, "response_data": frame["response"]},
        {"query_data": NAMES, "response_embeddings": images, "similarity_type": "cosine"},
        {"query_data": NAMES, "response_data": PATHS, "similarity_type": "dot_prod"},
        {"query_data": NAMES, "response_data": PATHS, "query_chunk_size": 2},
    ):
        assert semantic_search(matcher=model, top_k=3, **given) == wanted
        assert semantic_search(model, top_k=3, **given) == wanted
    backwards = semantic_search(images, texts, 1)
    assert semantic_search(model, query_data=PATHS, response_data=NAMES, top_k=1) == backwards


def test_a_picture_that_cannot_be_read_spares_the_others(model: Model) -> None:
    broken = [b"no picture", *DRAWINGS[0].path.parent.glob("1f436.png")]
    with pytest.raises(ImageError, match="image 0"):
        semantic_search(model, query_data=["a dog"], response_data=broken)
    ((hit,),) = semantic_search(
        model, query_data=["a dog"], response_data=broken, on_error="nan", top_k=2
    )
    assert hit["response_id"] == 1
    first, second = semantic_search(
        model, query_data=broken, response_data=NAMES, on_error="nan", top_k=2
    )
    assert (len(first), len(second)) == (0, 2)


def test_a_path_of_no_file_is_no_text(model: Model) -> None:
    for responses in (["no.png"], ["no.JPEG", PATHS[0]], {"image": ["a dog"]}):
        with pytest.raises(ImageError, match=r"image 0: .* cannot be opened"):
            semantic_search(model, query_data=["a dog"], response_data=responses)
    for words in ({"text": PATHS[:1]}, ["see dog.png", "a dog", "a cat"], [None, "a"]):
        if words == [None, "a"]:
            with pytest.raises(TextError, match="text 0 is a NoneType, not a string; leave out"):
                semantic_search(model, query_data=words, response_data=PATHS)
        else:
            assert semantic_search(model, query_data=words, response_data=PATHS, top_k=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query_data": ["a"]}, "query_data needs a model to embed it"),
        ({"query_embeddings": [[1.0]], "query_data": ["a"]}, "both of query_embeddings and"),
        ({}, "neither of query_embeddings and query_data is given"),
        ({"query_embeddings": [[1.0]], "similarity_type": "dot_prod"}, "by cosine alone"),
        ({"query_embeddings": [[1.0]], "similarity_type": "l2"}, "not 'cosine' or 'dot_prod'"),
        ({"query_embeddings": [[1.0]], "response_chunk_size": 0}, "a chunk size"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as refused:
        semantic_search(response_embeddings=[[1.0]], **given)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_a_table_of_several_columns_needs_a_name(model: Model) -> None:
    with pytest.raises(ValueError, match=r"columns a, b, wanted one, or one named 'query'"):
        semantic_search(model, query_data={"a": ["x"], "b": ["y"]}, response_data=["z"])
    with pytest.raises(TypeError, match="query_data is one str"):
        semantic_search(model, query_data="a dog", response_data=["z"])
    with pytest.raises(ValueError, match="response_data is empty"):
        semantic_search(model, query_data=["a dog"], response_data=[])
