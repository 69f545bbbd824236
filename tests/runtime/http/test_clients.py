"""Clients that people have: openai, LangChain, LlamaIndex, curl."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from http_servers import PATIENCE_S, InProcess, ServerProcess

from twinlens import Model

TEXTS = ["a dog", "a slice of pizza", "a red car"]


@pytest.fixture
def url(server: ServerProcess) -> str:
    return f"{server.url}/v1"


def test_openai_embeds_texts_in_base64_and_in_floats(url: str, model: Model) -> None:
    expected = model.embed_texts(TEXTS)
    with openai.OpenAI(base_url=url, api_key="none") as client:
        for more in ({}, {"encoding_format": "float"}, {"user": "someone", "dimensions": 192}):
            answer = client.embeddings.create(input=TEXTS, model="demo", **more)  # type: ignore[arg-type]
            rows = np.array([entry.embedding for entry in answer.data], np.float32)
            np.testing.assert_array_equal(rows, expected)
        assert answer.usage.prompt_tokens == sum(model.tokenize(TEXTS).lengths)
        assert [entry.id for entry in client.models.list()] == ["demo"]


def test_openai_sends_images_by_an_extra_field(
    url: str, model: Model, uris: list[str], pictures: list[bytes]
) -> None:
    with openai.OpenAI(base_url=url, api_key="none") as client:
        answer = client.embeddings.create(
            input=uris, model="demo", extra_body={"modality": "image"}
        )
    rows = np.array([entry.embedding for entry in answer.data], np.float32)
    np.testing.assert_array_equal(rows, model.embed_images(pictures))


def test_openai_has_an_error_of_its_own_for_each(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            client.embeddings.create(input="a", model="text-embedding-3-small")
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.UnprocessableEntityError) as tokens:
            client.embeddings.create(input=[[1, 2], [3]], model="demo")
        assert tokens.value.param == "input[0]"
        with pytest.raises(openai.InternalServerError) as late:
            client.embeddings.create(input="a", model="demo", extra_body={"timeout_ms": 1e-3})
        assert late.value.status_code == 504


def test_openai_asks_again_where_it_helps_and_not_where_it_does_not(
    server: ServerProcess, service: InProcess
) -> None:
    named, seen = {"x-request-id": "late-one"}, len(server.lines)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            client.embeddings.create(
                input="a", model="demo", extra_body={"timeout_ms": 1e-3}, extra_headers=named
            )
        client.models.list(extra_headers={"x-request-id": "last-one"})
    server.line(lambda line: line.get("request") == "last-one", after=seen)
    assert sum("late-one" in str(line) for line in server.lines[seen:]) == 1

    async def ask() -> int:
        transport = httpx.ASGITransport(service.application)
        async with openai.AsyncOpenAI(
            base_url="http://localhost/v1",
            api_key="none",
            max_retries=0,
            http_client=httpx.AsyncClient(transport=transport),
        ) as client:
            answer = await client.embeddings.create(input="a", model="demo")
            return len(answer.data)

    service.service.requests_in_progress = service.service.options.max_requests
    with pytest.raises(openai.RateLimitError) as full:
        service.run(ask())
    assert full.value.code == "overloaded"
    assert full.value.response.headers["retry-after"] == "1"
    service.service.requests_in_progress = 0
    assert service.run(ask()) == 1


def test_the_asynchronous_openai_embeds_many_at_once(url: str, model: Model) -> None:
    async def ask() -> list[list[float]]:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            answers = await asyncio.gather(
                *(client.embeddings.create(input=text, model="demo") for text in TEXTS * 20)
            )
        return [answer.data[0].embedding for answer in answers]

    rows = np.array(asyncio.run(ask()), np.float32)
    np.testing.assert_array_equal(rows, model.embed_texts(TEXTS * 20))


def test_langchain_embeds_documents_and_queries(url: str, model: Model) -> None:
    langchain = pytest.importorskip("langchain_openai")
    client = langchain.OpenAIEmbeddings(
        base_url=url, api_key="none", model="demo", check_embedding_ctx_length=False
    )
    rows = np.array(client.embed_documents(TEXTS * 400), np.float32)
    np.testing.assert_array_equal(rows, model.embed_texts(TEXTS * 400))
    row = np.array(client.embed_query(TEXTS[0]), np.float32)
    np.testing.assert_array_equal(row, rows[0])


def test_llama_index_embeds_documents_and_queries(url: str, model: Model) -> None:
    llama = pytest.importorskip("llama_index.embeddings.openai")
    client = llama.OpenAIEmbedding(api_base=url, api_key="none", model_name="demo")
    rows = np.array(client.get_text_embedding_batch(TEXTS * 50), np.float32)
    np.testing.assert_array_equal(rows, model.embed_texts(TEXTS * 50))
    row = np.array(client.get_query_embedding(TEXTS[1]), np.float32)
    np.testing.assert_array_equal(row, rows[1])


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sends_json_and_pictures(
    server: ServerProcess, model: Model, pictures: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "picture.png").write_bytes(pictures[0])

    def curl(*arguments: str) -> bytes:
        line = ["curl", "-sS", "--fail-with-body", *arguments]
        run = subprocess.run(line, check=True, capture_output=True, timeout=PATIENCE_S)
        return run.stdout

    body = ["-H", "content-type: application/json", "-d", '{"input": "a dog"}']
    answer = json.loads(curl(*body, f"{server.url}/v1/embeddings"))
    row = np.array(answer["data"][0]["embedding"], np.float32)
    np.testing.assert_array_equal(row, model.embed_texts(["a dog"])[0])
    content = curl(
        "-H", "content-type: image/png", "-H", "accept: application/octet-stream",
        "--data-binary", f"@{tmp_path / 'picture.png'}", f"{server.url}/embed",
    )  # fmt: skip
    np.testing.assert_array_equal(
        np.frombuffer(content, "<f4"), model.embed_images(pictures[:1])[0]
    )
