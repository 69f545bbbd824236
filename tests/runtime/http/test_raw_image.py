"""POST /embed: a picture as it is in, float32 out."""

import numpy as np
import pytest
from http_servers import InProcess

from twinlens import Model


@pytest.mark.parametrize(
    "accept", ["application/octet-stream", "text/html, application/octet-stream;q=0.9"]
)
def test_a_picture_becomes_the_bytes_of_its_row(
    service: InProcess, model: Model, pictures: list[bytes], accept: str
) -> None:
    answer = service.post(
        "/embed", content=pictures[0], headers={"content-type": "image/png", "accept": accept}
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-twinlens-width"] == "192"
    np.testing.assert_array_equal(
        np.frombuffer(answer.content, "<f4"), model.embed_images(pictures[:1])[0]
    )


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_json_is_the_answer_unless_bytes_are_wanted(
    service: InProcess, model: Model, pictures: list[bytes], accept: str | None
) -> None:
    headers = {"content-type": "image/png"} | ({} if accept is None else {"accept": accept})
    answer = service.post("/embed", content=pictures[0], headers=headers).json()
    np.testing.assert_array_equal(
        np.array(answer["embedding"], np.float32), model.embed_images(pictures[:1])[0]
    )
    assert answer["twinlens"]["towers"] == model.towers_key


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {"content-type": "image/png"}, 422, "invalid_value"),
        (b"no picture", {"content-type": "image/png"}, 422, "image_error"),
        (b"x", {"content-type": "multipart/form-data"}, 415, "unsupported_media_type"),
        (b"x", {}, 415, "unsupported_media_type"),
        (b"x", {"content-type": "image/png", "accept": "text/html"}, 406, "not_acceptable"),
        (b"x", {"content-type": "image/png", "priority": "!"}, 400, "invalid_header"),
    ],
)
def test_another_body_is_refused(
    service: InProcess, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    got, error = service.refused("/embed", content=content, headers=headers)
    assert (got, error["code"]) == (status, code)
