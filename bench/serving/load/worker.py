"""Process of the load generator, which answers a line of JSON for each line on stdin.

    python -m bench.serving.load.worker ITEMS [BUNDLE]

With a bundle it holds our engine too, which then is asked without HTTP.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.harness.answers import Answer, claim_stdout
from bench.serving.load.askers import Asker, BlockingAsker, EngineAsker, HttpAsker, spent_ms
from bench.serving.load.closed_loop import Callers, run_closed_loop
from bench.serving.load.open_loop import Sent, Stream, by_stream, run_open_loop
from bench.serving.load.requests import Kind, Request, requests_of
from bench.serving.load.summaries import closed_summary, quantiles_ms, summary

Question = Mapping[str, Any]
Facts = dict[str, Any]


class LoadWorker:
    """Answering side: distinct requests, and the engine if there is one."""

    def __init__(self, items: Path, engine: EngineAsker | None) -> None:
        self._engine = engine
        self._requests = cache(lambda kind: requests_of(kind, items))

    async def answer(self, question: Question) -> Facts:
        """Return what a question found, with the wall and CPU seconds that it took."""
        asker = self._asker(question)
        cpu, wall = time.process_time(), time.perf_counter()
        match question["do"]:
            case "open":
                found = await self._open(asker, question)
            case "closed":
                found = await self._closed(asker, question)
            case "paced":
                found = await self._paced(asker, question)
            case _:
                raise ValueError(f"no such question: {question}")
        spent = {"wall_s": time.perf_counter() - wall, "own_cpu_s": time.process_time() - cpu}
        if self._engine is None or asker is not self._engine:
            await asker.close()
        return found | {name: round(value, 4) for name, value in spent.items()}

    def _asker(self, question: Question) -> Asker:
        if question.get("port") is None:
            if self._engine is None:
                raise ValueError("there is no engine: give a port")
            return self._engine
        make = BlockingAsker if question["do"] == "paced" else HttpAsker
        return make(question["port"], question["path"], compare=question["compare"])

    async def _open(self, asker: Asker, question: Question) -> Facts:
        streams = [
            Stream(
                name=one["name"],
                requests=self._of(one["kind"]),
                rate=one["rate"],
                arrivals=one.get("arrivals", "poisson"),
            )
            for one in question["streams"]
        ]
        warm_s = question["warm_s"]
        sent = await run_open_loop(
            asker, streams, seconds=warm_s + question["seconds"], seed=question["seed"]
        )
        found: Facts = {}
        for stream in streams:
            mine = by_stream(sent).get(stream.name, [])
            found[stream.name] = {"rate": stream.rate} | summary(mine, warm_s=warm_s)
        if "split_s" in question:
            found["before_split"] = _ends(one for one in sent if one.sent < question["split_s"])
            found["after_split"] = _ends(one for one in sent if one.sent >= question["split_s"])
        return found

    async def _closed(self, asker: Asker, question: Question) -> Facts:
        counted = await run_closed_loop(
            asker,
            [one for kind in question["kinds"] for one in self._of(kind)],
            Callers(
                count=question["callers"],
                seconds=question["seconds"],
                warm_s=question["warm_s"],
                most=question.get("most"),
            ),
        )
        return closed_summary(counted)

    async def _paced(self, asker: Asker, question: Question) -> Facts:
        """Ask one at a time, with a pause before each."""
        requests = self._of(question["kind"])
        times = []
        first = question.get("first", 0)
        for number in range(first, first + question["count"]):
            await asyncio.sleep(question["pause_s"])
            times.append(await spent_ms(asker, requests[number % len(requests)]))
        return {"times_ms": [round(one, 3) for one in times]} | quantiles_ms(
            [one / 1e3 for one in times]
        )

    def _of(self, kind: Kind) -> Sequence[Request]:
        return self._requests(kind)


def _ends(sent: Iterable[Sent]) -> dict[str, int]:
    """Return the number of requests that ended in each way."""
    return dict(Counter(one.outcome.fault or str(one.outcome.status) for one in sent))


async def serve(items: Path, bundle: Path | None, answer: Answer) -> None:
    engine = None if bundle is None else await EngineAsker.opened(bundle, compare=True)
    worker = LoadWorker(items, engine)
    answer({})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        answer(await worker.answer(json.loads(line)))
    if engine is not None:
        await engine.close()


def main() -> None:
    stdout = claim_stdout()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    items, *bundle = sys.argv[1:]
    try:
        import uvloop as chosen  # noqa: PLC0415  half the cost a request, where it is installed
    except ImportError:
        chosen = asyncio  # type: ignore[assignment]
    chosen.run(serve(Path(items), Path(bundle[0]) if bundle else None, stdout))


if __name__ == "__main__":
    main()
