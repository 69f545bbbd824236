"""GET routes: models, health, metrics, description."""

import asyncio
import json
import time
from importlib.resources import files

import pytest
from http_servers import InProcess, LoopThread, demo_source, in_process
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route

from twinlens.http.app import application
from twinlens.http.openapi import description, text
from twinlens.http.options import HttpOptions
from twinlens.http.service.service import Service


def test_the_model_is_listed_by_its_name(service: InProcess) -> None:
    answer = service.get("/v1/models").json()
    (entry,) = answer["data"]
    assert (answer["object"], entry["object"], entry["id"]) == ("list", "model", "demo")


def test_readiness_follows_the_service_and_liveness_does_not(loop: LoopThread) -> None:
    with in_process(loop) as service:
        assert service.get("/health/live").json() == {"status": "live"}
        assert service.get("/health/ready").json() == {"status": "ready"}
        service.service.draining = True
        assert service.get("/health/ready").status_code == 503
        assert service.get("/health/ready").json()["error"]["code"] == "draining"
        assert service.get("/health/live").status_code == 200
        answer = service.post("/v1/embeddings", json={"input": "a dog"})
        assert answer.status_code == 200, "what comes before the end is answered"
        assert answer.headers["connection"] == "close"


def test_before_the_model_is_open_it_is_live_and_not_ready(loop: LoopThread) -> None:
    service = InProcess(loop, Service(demo_source(), HttpOptions(timeout_s=0.05)))
    assert service.get("/health/live").status_code == 200
    assert service.get("/health/ready").json()["error"]["code"] == "not_ready"
    status, error = service.refused("/v1/embeddings", json={"input": "a"})
    assert (status, error["code"]) == (503, "not_ready")
    service.close()


def test_a_request_before_the_model_waits_for_it(loop: LoopThread) -> None:
    service = InProcess(loop, Service(demo_source(), HttpOptions(timeout_s=60)))

    async def both() -> int:
        asked = asyncio.ensure_future(
            service._client.post("/v1/embeddings", json={"input": "a dog"}, timeout=60)
        )
        await asyncio.sleep(0)
        await service.service.open()
        return (await asked).status_code

    assert service.run(both()) == 200
    service.close()


def test_metrics_count_requests_runs_and_queues(loop: LoopThread, uris: list[str]) -> None:
    with in_process(loop) as service:
        for body in ({"input": ["a", "b"]}, {"input": uris[:1], "modality": "image"}, {"input": 5}):
            service.post("/v1/embeddings", json=body)
        service.get("/nothing/here")
        # A run is counted once its answers are on their way.
        for _ in range(2000):
            if 'twinlens_tower_seconds_count{kind="image"} 1.0' in service.get("/metrics").text:
                break
            time.sleep(0.001)
        answer = service.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }
    assert samples["twinlens_requests_total", "/v1/embeddings", "200"] == 2
    assert samples["twinlens_requests_total", "/v1/embeddings", "422"] == 1
    assert samples["twinlens_requests_total", "404", "other"] == 1
    assert samples["twinlens_batch_items_sum", "text"] == 2
    assert samples["twinlens_batch_items_sum", "image"] == 1
    assert samples["twinlens_queue_seconds_count", "interactive", "text"] == 2
    assert samples["twinlens_decode_seconds_count",] == 1
    assert samples["twinlens_tower_seconds_count", "image"] == 1
    assert samples["twinlens_queue_items", "bulk", "text"] == 0
    assert samples["twinlens_ready",] == 1
    assert samples["process_resident_memory_bytes",] > 0


def test_the_description_is_that_of_the_routes_and_their_bodies(service: InProcess) -> None:
    committed = (files("twinlens.http") / "openapi.json").read_text("utf-8")
    assert committed == text(), "python -m twinlens.http.openapi > openapi.json"
    assert service.get("/openapi.json").json() == json.loads(committed)
    app = application(service.service)
    while not isinstance(app, Starlette):
        app = app._app  # type: ignore[attr-defined]
    routes = {(r.path, m) for r in app.routes if isinstance(r, Route) for m in r.methods or ()}
    told = {(path, m.upper()) for path, acts in description()["paths"].items() for m in acts}
    assert told == {route for route in routes if route[1] != "HEAD"}


@pytest.mark.parametrize("path", ["/", "/v1/embeddings/", "/V1/models", "/../etc/passwd"])
def test_an_unknown_path_is_a_404(service: InProcess, path: str) -> None:
    answer = service.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_another_method_is_a_405_that_names_the_right_one(service: InProcess) -> None:
    answer = service.get("/v1/embeddings")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"
