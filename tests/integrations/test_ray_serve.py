"""Ray Serve answers as the service does, from replicas that end in order."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from docstring_example import run_example

import twinlens

serve = pytest.importorskip("ray.serve", reason="needs the integrations extra")

from twinlens.integrations import ray_serve  # noqa: E402


@pytest.fixture(scope="module")
def address(local_ray: None) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def test_the_example_serves_embeddings(address: str) -> None:
    places = {"http://127.0.0.1:8000": address}
    names = run_example(ray_serve, places=places)
    found = names["answer"].json()["data"][0]["embedding"]
    wanted = twinlens.load("demo").embed_texts(["a red apple"])[0]
    np.testing.assert_array_equal(np.array(found, dtype=np.float32), wanted)
    assert httpx.get(f"{address}/health/ready").status_code == 200


def test_keys_an_index_and_refusals_are_those_of_the_service(address: str, tmp_path: Path) -> None:
    model, key = twinlens.load("demo"), "k" * 32
    index, keys = tmp_path / "words.index", tmp_path / "keys"
    rows = model.embed_texts(["a dog", "a red apple"])
    twinlens.Index.write(index, rows, ids=["dog", "apple"], about=model.about)
    keys.write_text(key)
    served = ray_serve.deployment("demo", index=index, api_key_file=keys, threads=1)
    serve.run(served.bind(), name="keyed", route_prefix="/keyed")
    body = {"texts": ["a red apple"], "k": 1}
    assert httpx.post(f"{address}/keyed/search", json=body).status_code == 401
    with httpx.Client(headers={"authorization": f"Bearer {key}"}) as client:
        answer = client.post(f"{address}/keyed/search", json=body)
        refused = client.post(f"{address}/keyed/v1/embeddings", json={"input": 3})
    assert "apple" in answer.text
    assert refused.status_code == 422
