"""POST /v1/embeddings: OpenAI's shapes, infinity's and Jina's; each bad one a stated error."""

import base64
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from http_servers import InProcess

from twinlens import Model

TEXTS = ["a dog", "a slice of pizza", "a very red car"]


def rows_of(answer: dict[str, Any]) -> np.ndarray:
    assert [entry["index"] for entry in answer["data"]] == list(range(len(answer["data"])))
    rows = [entry["embedding"] for entry in answer["data"]]
    if isinstance(rows[0], str):
        return np.stack([np.frombuffer(base64.b64decode(row), "<f4") for row in rows])
    return np.array(rows, np.float32)


def asked(service: InProcess, **body: object) -> dict[str, Any]:
    answer = service.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_texts_have_the_rows_of_the_model_to_the_bit(service: InProcess, model: Model) -> None:
    for form in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
        answer = asked(service, model="demo", input=TEXTS, user="someone", **form)
        np.testing.assert_array_equal(rows_of(answer), model.embed_texts(TEXTS), strict=True)
    assert answer["object"] == "list"
    assert answer["model"] == "demo"
    assert {entry["object"] for entry in answer["data"]} == {"embedding"}


def test_usage_counts_the_tokens_of_the_texts(service: InProcess, model: Model) -> None:
    tokens = sum(model.tokenize(TEXTS).lengths)
    assert asked(service, input=TEXTS)["usage"] == {
        "prompt_tokens": tokens,
        "total_tokens": tokens,
    }


def test_one_string_is_one_row(service: InProcess, model: Model) -> None:
    (row,) = rows_of(asked(service, input=TEXTS[0], dimensions=192))
    np.testing.assert_array_equal(row, model.embed_texts(TEXTS[:1])[0])


def test_images_come_by_modality(
    service: InProcess, model: Model, uris: list[str], pictures: list[bytes]
) -> None:
    bare = [uri.partition(",")[2] for uri in uris]
    for images in (uris, bare):
        answer = asked(service, input=images, modality="image")
        np.testing.assert_array_equal(rows_of(answer), model.embed_images(pictures))
    assert answer["usage"]["total_tokens"] == 0


def test_a_mixed_list_has_a_row_each_in_order(
    service: InProcess, model: Model, uris: list[str], pictures: list[bytes]
) -> None:
    parts = [{"text": TEXTS[0]}, {"image": uris[1]}, {"text": TEXTS[1]}, {"image": uris[0]}]
    rows = rows_of(asked(service, input=parts, embedding_type="base64", normalized=True))
    np.testing.assert_array_equal(rows[::2], model.embed_texts(TEXTS[:2]))
    np.testing.assert_array_equal(rows[1::2], model.embed_images([pictures[1], pictures[0]]))


def test_the_maker_of_the_rows_is_told(service: InProcess, model: Model) -> None:
    assert asked(service, input="a dog")["twinlens"] == {
        "towers": model.towers_key,
        "precision": model.precision,
        "pixels": model.pixels,
        "width": model.width,
        "truncated": [],
    }


def test_a_cut_text_is_told_or_refused(service: InProcess) -> None:
    texts = ["a dog", "dog " * 500]
    assert asked(service, input=texts)["twinlens"]["truncated"] == [1]
    status, error = service.refused("/v1/embeddings", json={"input": texts, "truncate": False})
    assert (status, error["param"], error["code"]) == (422, "input[1]", "text_too_long")


def test_the_times_of_its_parts_are_in_the_answer(service: InProcess, uris: list[str]) -> None:
    answer = service.post("/v1/embeddings", json={"input": uris[:1], "modality": "image"})
    parts = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    assert list(parts) == ["queue", "decode", "tower"]
    assert all(float(ms) > 0 for ms in parts.values())


BAD: dict[str, tuple[dict[str, Any], int, str | None, str]] = {
    "nothing": ({}, 422, None, "missing required field `input`"),
    "a number": ({"input": 5}, 422, "input", "Expected `str | array`"),
    "null": ({"input": ["a", None]}, 422, "input[1]", "got `null`"),
    "no items": ({"input": []}, 422, "input", "is empty; give one item or more"),
    "an empty text": ({"input": ["a", ""]}, 422, "input[1]", "is empty; leave it out"),
    "an empty string": ({"input": ""}, 422, "input", "is empty; leave it out"),
    "token ids": ({"input": [[1, 2], [3]]}, 422, "input[0]", "check_embedding_ctx_length=False"),
    "ids of one text": ({"input": [1, 2]}, 422, "input[0]", "send strings"),
    "a smaller width": ({"input": "a", "dimensions": 64}, 422, "dimensions", "have 192 numbers"),
    "another model": ({"input": "a", "model": "clip"}, 404, "model", "this server has demo"),
    "another format": ({"input": "a", "encoding_format": "hex"}, 422, "encoding_format", "hex"),
    "another kind": ({"input": "a", "modality": "audio"}, 422, "modality", "audio"),
    "an unknown field": ({"input": "a", "inputs": 1}, 422, "inputs", "no such field"),
    "unknown within": ({"input": [{"txt": 1}]}, 422, "input[0].txt", "no such field"),
    "both in one": ({"input": [{"text": "a", "image": "b"}]}, 422, "input[0]", "text and image"),
    "neither": ({"input": [{}]}, 422, "input[0]", "neither text nor image"),
    "long rows": ({"input": "a", "normalized": False}, 422, "normalized", "always of length 1"),
    "chunks": ({"input": "a", "late_chunking": True}, 422, "late_chunking", "embedded alone"),
    "no time": ({"input": "a", "timeout_ms": 0}, 422, "timeout_ms", "> 0"),
    "another class": ({"input": "a", "priority": "high"}, 422, "priority", "high"),
    "too many": ({"input": ["a"] * 2049}, 422, None, "2,049 texts a request"),
    "a long text": ({"input": ["a" * 65537]}, 422, None, "65,537 characters"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_named_with_its_place_and_cure(service: InProcess, case: str) -> None:
    body, status, param, words = BAD[case]
    got, error = service.refused("/v1/embeddings", json=body)
    assert (got, error["param"]) == (status, param)
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/a.png", "HTTPS://host/a", "file:///etc/passwd", "ftp://a/b", "gopher:x"],
)
def test_no_url_is_fetched(service: InProcess, url: str) -> None:
    for body in (
        {"input": ["data:,x", url], "modality": "image"},
        {"input": [{"text": "a"}, {"image": url}]},
    ):
        status, error = service.refused("/v1/embeddings", json=body)
        assert (status, error["code"]) == (422, "url_refused")
        assert error["param"].startswith("input[1]")
        assert "no URL is fetched" in error["message"]


def test_a_torn_picture_among_good_ones_is_named(service: InProcess, uris: list[str]) -> None:
    for torn in ("data:image/png;base64,iVBORw0KGgoAAAA", "/etc/passwd", "data:image/png;base64,!"):
        body = {"input": [*uris[:2], torn, uris[3]], "modality": "image"}
        status, error = service.refused("/v1/embeddings", json=body)
        assert (status, error["param"], error["code"]) == (422, "input[2]", "image_error")
        assert error["message"].startswith("input[2]: ")


def test_a_bomb_is_refused_by_its_header(service: InProcess, pictures: list[bytes]) -> None:
    # A PNG's header is its bytes 12 to 29, width and height first; the sum of it comes behind.
    header = pictures[0][12:16] + (50_000).to_bytes(4, "big") * 2 + pictures[0][24:29]
    claims = pictures[0][:12] + header + crc32(header).to_bytes(4, "big") + pictures[0][33:]
    body = {"input": [base64.b64encode(claims).decode()], "modality": "image"}
    status, error = service.refused("/v1/embeddings", json=body)
    assert (status, error["code"]) == (422, "image_error")
    assert "more than 64,000,000 pixels" in error["message"]


@pytest.mark.parametrize("content", [b"", b"  ", b"{", b"\xff\xfe", b'{"input": NaN}', b"dog"])
def test_what_is_no_json_is_a_400(service: InProcess, content: bytes) -> None:
    status, error = service.refused(
        "/v1/embeddings", content=content, headers={"content-type": "application/json"}
    )
    assert (status, error["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_media_type_is_a_415(service: InProcess, media: str | None) -> None:
    headers = {} if media is None else {"content-type": media}
    status, error = service.refused("/v1/embeddings", content=b'{"input": "a"}', headers=headers)
    assert (status, error["code"]) == (415, "unsupported_media_type")


def test_a_compressed_body_is_a_415(service: InProcess) -> None:
    for path, media in (("/v1/embeddings", "application/json"), ("/embed", "image/png")):
        headers = {"content-type": media, "content-encoding": "gzip"}
        status, error = service.refused(path, content=b"\x1f\x8b", headers=headers)
        assert (status, error["code"]) == (415, "unsupported_content_encoding")


def test_time_may_only_be_shortened(service: InProcess) -> None:
    for body, headers in (
        ({"timeout_ms": 0.001}, {}),
        ({}, {"x-request-timeout-ms": "0.001"}),
        ({"timeout_ms": 9e9}, {"x-request-timeout-ms": "0.001"}),
    ):
        status, error = service.refused(
            "/v1/embeddings", json={"input": TEXTS, **body}, headers=headers
        )
        assert (status, error["code"], error["type"]) == (504, "timeout", "server_error")
    status, error = service.refused(
        "/v1/embeddings", json={"input": "a"}, headers={"x-request-timeout-ms": "-1"}
    )
    assert (status, error["code"]) == (400, "invalid_header")


def test_a_priority_is_ours_or_that_of_a_browser(service: InProcess) -> None:
    for priority in ("bulk", "Interactive", "u=1, i", "i", "u=4"):
        answer = service.post(
            "/v1/embeddings", json={"input": "a dog"}, headers={"priority": priority}
        )
        assert answer.status_code == 200
    status, error = service.refused(
        "/v1/embeddings", json={"input": "a"}, headers={"priority": "urgent"}
    )
    assert (status, error["param"]) == (400, "priority")
