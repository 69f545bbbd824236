"""Scans of the index: few at a time, refused when too many wait, ended by their deadline."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from http_servers import InProcess, LoopThread, in_process

from twinlens import DeadlineError, Index, OverloadedError
from twinlens.http.service.scans import Scans


def test_a_scan_waits_for_a_thread_and_too_many_are_refused() -> None:
    async def run() -> None:
        scans = Scans(threads=1, most_wait_s=1e-9)
        gate, begun = threading.Event(), threading.Event()

        def held() -> str:
            begun.set()
            assert gate.wait(60)
            return "held"

        first = asyncio.create_task(scans.run(held, queries=1, timeout_s=60))
        await asyncio.to_thread(begun.wait)
        # Nothing was measured yet: the second waits for the only thread, until its time is over.
        with pytest.raises(DeadlineError, match=r"not searched within 0\.01 s; allow more time"):
            await scans.run(lambda: "late", queries=3, timeout_s=0.01)
        gate.set()
        assert await first == "held"
        gate.clear()
        begun.clear()
        second = asyncio.create_task(scans.run(held, queries=2, timeout_s=60))
        await asyncio.to_thread(begun.wait)
        with pytest.raises(OverloadedError, match="2 queries wait for the index") as caught:
            scans.require_room()
        assert caught.value.retry_after_s > 0
        second.cancel()  # its client left; the thread is taken until it ends
        with pytest.raises(asyncio.CancelledError):
            await second
        with pytest.raises(OverloadedError):
            await scans.run(lambda: "full", queries=1, timeout_s=60)
        gate.set()
        while True:
            try:
                assert await scans.run(lambda: "free", queries=1, timeout_s=60) == "free"
                break
            except OverloadedError:
                await asyncio.sleep(1e-3)
        with pytest.raises(ZeroDivisionError):
            await scans.run(lambda: 1 / 0, queries=1, timeout_s=60)
        assert await scans.run(lambda: "again", queries=1, timeout_s=60) == "again"
        scans.close()

    asyncio.run(asyncio.wait_for(run(), 120))


def test_a_search_ends_with_its_time(
    loop: LoopThread, index_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    search: Callable[..., Any] = Index.search

    def slow(*given: object, **named: object) -> Any:  # noqa: ANN401  the index's own
        assert gate.wait(60)
        return search(*given, **named)

    monkeypatch.setattr(Index, "search", slow)
    with in_process(loop, index=Path(index_folder)) as service:
        ask = {"texts": ["a dog"], "timeout_ms": 2_000}
        status, error = service.refused("/search", json=ask)
        assert (status, error["code"]) == (504, "timeout")
        assert "the index was not searched within" in error["message"]
        gate.set()
        _finds(service)


def _finds(service: InProcess) -> None:
    answer = service.post("/search", json={"texts": ["a dog"], "k": 2})
    assert len(answer.json()["results"][0]["hits"]) == 2
