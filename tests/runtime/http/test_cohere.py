"""POST /v2/embed: version 2 of Cohere's API, as vLLM serves it."""

import base64
from typing import Any

import numpy as np
import pytest
from http_servers import InProcess

from twinlens import Model

TEXTS = ["a dog", "a slice of pizza"]


def test_texts_come_in_every_format(service: InProcess, model: Model) -> None:
    forms = ["float", "base64", "binary", "ubinary", "float"]
    answer = service.post(
        "/v2/embed",
        json={
            "model": "demo",
            "texts": TEXTS,
            "input_type": "search_query",
            "embedding_types": forms,
        },
    ).json()
    rows, found = model.embed_texts(TEXTS), answer["embeddings"]
    np.testing.assert_array_equal(np.array(found["float"], np.float32), rows)
    decoded = [np.frombuffer(base64.b64decode(row), "<f4") for row in found["base64"]]
    np.testing.assert_array_equal(np.stack(decoded), rows)
    # Signs of the row, told from the bits that Python itself reads.
    for row, unsigned, signed in zip(rows, found["ubinary"], found["binary"], strict=True):
        bits = "".join(f"{byte:08b}" for byte in unsigned)
        assert [bit == "1" for bit in bits] == [value >= 0 for value in row.tolist()]
        assert [byte - 128 for byte in unsigned] == signed
    assert answer["texts"] == TEXTS
    tokens = sum(model.tokenize(TEXTS).lengths)
    assert answer["meta"]["billed_units"] == {"input_tokens": tokens, "images": 0}
    assert answer["meta"]["api_version"] == {"version": "2"}
    assert answer["response_type"] == "embeddings_by_type"


def test_images_and_inputs_are_rows_in_order(
    service: InProcess, model: Model, uris: list[str], pictures: list[bytes]
) -> None:
    answer = service.post("/v2/embed", json={"images": uris}).json()
    found = np.array(answer["embeddings"]["float"], np.float32)
    np.testing.assert_array_equal(found, model.embed_images(pictures))
    assert answer["meta"]["billed_units"]["images"] == len(uris)
    inputs = [
        {"content": [{"type": "image_url", "image_url": {"url": uris[1], "detail": "low"}}]},
        {"content": [{"type": "text", "text": TEXTS[0]}]},
    ]
    answer = service.post("/v2/embed", json={"inputs": inputs, "priority": 3}).json()
    image, text = np.array(answer["embeddings"]["float"], np.float32)
    np.testing.assert_array_equal(image, model.embed_images(pictures[1:2])[0])
    np.testing.assert_array_equal(text, model.embed_texts(TEXTS[:1])[0])


TEXT = {"type": "text", "text": "a dog"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,x"}}
BAD: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "nothing": ({}, "inputs", "wanted one of texts, images and inputs"),
    "two kinds": ({"texts": ["a"], "images": ["b"]}, "inputs", "wanted one of"),
    "no texts": ({"texts": []}, "texts", "is empty"),
    "both in one": ({"inputs": [{"content": [TEXT, IMAGE]}]}, "inputs[0].content", "has 2 parts"),
    "none in one": ({"inputs": [{"content": []}]}, "inputs[0].content", "has 0 parts"),
    "a false type": (
        {"inputs": [{"content": [{"type": "text", "image_url": {"url": "a"}}]}]},
        "inputs[0].content[0]",
        "is not what its type says",
    ),
    "int8": ({"texts": ["a"], "embedding_types": ["int8"]}, "embedding_types[0]", "int8"),
    "a width": ({"texts": ["a"], "output_dimension": 64}, "output_dimension", "have 192"),
    "a cut at the start": ({"texts": ["a"], "truncate": "START"}, "truncate", "cut at its end"),
    "tokens": ({"texts": ["a"], "max_tokens": 5}, "max_tokens", "leave it out"),
    "too long": ({"texts": ["a", "dog " * 99], "truncate": "NONE"}, "texts[1]", "longer than"),
    "a url": ({"images": ["https://a/b.png"]}, "images[0]", "no URL is fetched"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_named_with_its_place(service: InProcess, case: str) -> None:
    body, param, words = BAD[case]
    status, error = service.refused("/v2/embed", json=body)
    assert (status, error["param"]) == (422, param)
    assert words in error["message"]
