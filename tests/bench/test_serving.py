"""The load generator and the verdicts of bench.serving."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from bench.harness.results_log import ResultsLog
from bench.serving.demands import Demand, demands
from bench.serving.figures import Figures
from bench.serving.load.askers import HttpAsker, Outcome
from bench.serving.load.connection import Answer, Connection
from bench.serving.load.open_loop import Stream, run_open_loop
from bench.serving.load.requests import Request
from bench.serving.load.summaries import summary

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

REQUEST = Request(
    items=["a dog"], body=b"{}", rows=np.zeros((1, 2), np.float32), encoded_rows=(b"AAAAAAAAAAA=",)
)


class Gate:
    """A service that answers nobody before `wanted` have asked."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self._asked, self._open = wanted, 0, asyncio.Event()

    async def ask(self, _: Request) -> Outcome:
        self._asked += 1
        if self._asked == self._wanted:
            self._open.set()
        await self._open.wait()
        return Outcome(200)

    async def close(self) -> None: ...


def asked(handler: Handler, ask: Callable[[int], Awaitable[list[Answer | Outcome]]]) -> list:
    async def run() -> list[Answer | Outcome]:
        handling: list[asyncio.Task[None]] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handling.append(asyncio.current_task())
            await handler(reader, writer)

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            found = await ask(server.sockets[0].getsockname()[1])
        await asyncio.gather(*handling)
        return found

    return asyncio.run(run())


def answering(*parts: bytes, close: bool = False) -> Handler:
    """Answer each request by these parts, sent one by one."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.001)
            if close:
                break
        writer.close()
        await writer.wait_closed()

    return handler


def test_a_plan_is_that_of_its_seed_and_of_its_rate() -> None:
    stream = Stream(name="text", requests=[REQUEST], rate=100.0)
    first, again, other = (list(stream.plan(50.0, seed)) for seed in (1, 1, 2))
    assert first == again != other
    gaps = np.diff([due for due, _ in first])
    assert len(first) == pytest.approx(5000, abs=5 * 5000**0.5)
    assert gaps.std() == pytest.approx(
        gaps.mean(), rel=0.1
    )  # as an exponential distribution has it


def test_requests_are_sent_when_due_though_nobody_was_answered() -> None:
    stream = Stream(name="text", requests=[REQUEST], rate=500.0, arrivals="even")

    async def run() -> None:
        # Would one wait for another, none would ever be answered.
        sent = await run_open_loop(Gate(49), [stream], seconds=0.1, seed=0)
        assert [one.outcome.status for one in sent] == [200] * 49
        last = max(one.sent for one in sent)
        assert all(one.ended >= last for one in sent)
        # Latencies begin at the planned arrival: the first has waited for all others.
        assert summary(sent, warm_s=0.0)["max"] >= 1e3 * (sent[-1].due - sent[0].due)

    asyncio.run(run())


def test_an_answer_may_come_in_pieces() -> None:
    async def ask(port: int) -> list[Answer]:
        connection = Connection(port)
        found = [await connection.ask(b"POST"), await connection.ask(b"POST")]
        connection.close()
        return found

    parts = (b"HTTP/1.1 429 Too", b" Many\r\nContent-Length: 5\r\n\r", b"\nab", b"cde")
    assert asked(answering(*parts), ask) == [Answer(429, b"abcde")] * 2


def test_a_connection_that_ends_without_an_answer_is_told_from_one_that_is_refused() -> None:
    async def ask(port: int) -> list[Answer]:
        return [await Connection(port).ask(b"POST")]

    (closed,) = asked(answering(b"HTTP/1.1 200 OK\r\n", close=True), ask)
    assert (closed.status, closed.fault) == (0, "closed")

    async def refused() -> Answer:
        return await Connection(1).ask(b"POST")

    assert asyncio.run(refused()).fault == "refused"


@pytest.mark.parametrize(("row", "is_right"), [(b"AAAAAAAAAAA=", True), (b"AAAAAAAAAAE=", False)])
def test_rows_are_compared_to_the_bit(row: bytes, is_right: bool) -> None:
    async def ask(port: int) -> list[Outcome]:
        asker = HttpAsker(port, "/v1/embeddings", compare=True)
        found = [await asker.ask(REQUEST)]
        await asker.close()
        return found

    answer = b'HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\n{"data":[{"e":"%s"}]}   ' % row
    (outcome,) = asked(answering(answer), ask)
    assert outcome.is_right is is_right


@pytest.mark.parametrize(
    ("figure", "is_least", "passes"),
    [(2.0, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False)],
)
def test_a_demand_is_met_at_its_bound(figure: float, is_least: bool, passes: bool) -> None:
    demand = Demand(demand="x", figure=figure, wanted="2", bound=2.0, is_least=is_least)
    assert demand.row()["passes"] is passes


def test_no_demand_is_met_by_a_figure_that_was_not_measured(tmp_path: Path) -> None:
    rows = demands(Figures(ResultsLog(tmp_path / "none.jsonl"), "B32"))
    assert len(rows) > 15
    assert not any(row["passes"] for row in rows)
