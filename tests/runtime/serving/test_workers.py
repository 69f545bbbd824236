"""Workers under failures: every request is told, and the next ones are served."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from fake_model import PATIENCE_S, FakeModel

from twinlens import AdmissionLimits, AsyncModel, ClosedError, DeadlineError, ImageError
from twinlens.errors import OverloadedError, TextError
from twinlens.serving.queueing.lanes import Lane
from twinlens.serving.working.thread_priority import CAN_PREEMPT, LOWEST, NICENESS
from twinlens.serving.working.workers import Workers

LIMITS = AdmissionLimits(timeout_s=PATIENCE_S)


def served(
    model: FakeModel,
    act: Callable[[AsyncModel], Awaitable[None]],
    *,
    workers: int = 1,
    **options: object,
) -> AsyncModel:
    """An engine, closed after an act; none of its threads is left."""

    async def run() -> AsyncModel:
        chosen = {"limits": LIMITS, "preempt": False} | options
        async with AsyncModel(model, workers=workers, **chosen) as serving:
            model.entered, model.runs = threading.Semaphore(0), []  # without the warm-up
            await asyncio.wait_for(act(serving), PATIENCE_S)
        return serving

    serving = asyncio.run(run(), debug=True)
    assert not worker_threads()
    return serving


async def entered(model: FakeModel, runs: int = 1) -> None:
    await asyncio.to_thread(model.require_entered, runs)


OTHERS: set[threading.Thread] = set()
"""Threads of engines that other tests hold, such as the service that the tests of HTTP share."""


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(threading.enumerate())


def worker_threads() -> list[int]:
    threads = set(threading.enumerate()) - OTHERS
    return [t.ident for t in threads if t.name == "twinlens-serving" and t.ident is not None]


async def until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110  the state of an engine sets no event
        await asyncio.sleep(1e-3)


def is_idle(thread: int) -> bool:
    return sys._current_frames()[thread].f_code.co_name == "wait"


async def failures(*awaited: Awaitable[object]) -> list[object]:
    return await asyncio.gather(*awaited, return_exceptions=True)


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), ValueError("odd"), SystemExit("panic"), BaseException("p")]
)
@pytest.mark.parametrize("stage", ["decode ", "image "])
def test_an_image_that_fails_takes_no_other_along(stage: str, error: BaseException) -> None:
    model = FakeModel(failures={stage + "x": error})

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        first = asyncio.create_task(serving.embed_images([b"f"]))
        await entered(model)
        # These wait until the first run ends, and are then taken together.
        rest = failures(*(serving.embed_images([name]) for name in (b"a", b"x", b"b")))
        rest = asyncio.create_task(rest)
        await until(lambda: sum(serving.stats().waiting.values()) == 3)
        model.gate.set()
        a, x, b = await rest
        assert (await first)[0, 0] == ord("f")
        assert (a[0, 0], b[0, 0]) == (ord("a"), ord("b"))
        assert isinstance(x, type(error) if isinstance(error, Exception) else RuntimeError)
        assert str(error) in str(x)
        assert (await serving.embed_images([b"c"]))[0, 0] == ord("c")

    stats = served(model, act).stats()
    assert (stats.answered, stats.failed, stats.restarts) == (4, 1, 0)


@pytest.mark.parametrize("stage", ["tokenize ", "text "])
def test_a_text_that_fails_takes_no_other_along(stage: str) -> None:
    model = FakeModel(failures={stage + "x": MemoryError("no room")})

    async def act(serving: AsyncModel) -> None:
        found = await failures(
            *(serving.embed_texts([name]) for name in ("a", "x", "bb", "ccc")),
            serving.embed_texts(["dd", "x", "e"]),
        )
        assert [type(row) for row in found] == [np.ndarray, MemoryError] + 2 * [np.ndarray] + [
            MemoryError
        ]
        assert [int(found[place][0, 0]) for place in (0, 2, 3)] == [1, 2, 3]

    served(model, act)


def test_an_error_has_the_place_of_its_item_and_no_frames() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        with pytest.raises(ImageError, match=r"image 2: it is torn$") as caught:
            await serving.embed(["a", b"b", b"torn", b"c"])
        assert caught.value.place == 2
        assert str(caught.value.__cause__) == "it is torn"
        assert caught.value.__cause__.__traceback__ is None
        with pytest.raises(TextError, match=r"text 1: it holds a lone surrogate at character 1"):
            await serving.embed_texts(["a", "b\ud800"])
        with pytest.raises(TypeError, match="item 1 is a int"):
            await serving.embed(["a", 1])

    stats = served(model, act).stats()
    assert stats.accepted == stats.failed == 1


def test_cancelled_items_are_not_computed_and_a_bulk_run_ends_midway() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        bulk = asyncio.create_task(serving.embed_images([b"a"] * 30))
        await entered(model)
        small = asyncio.create_task(serving.embed_texts(["gone"]))
        other = asyncio.create_task(serving.embed_texts(["stays"]))
        await until(lambda: serving.stats().accepted == 3)
        small.cancel()
        bulk.cancel()
        assert all(isinstance(e, asyncio.CancelledError) for e in await failures(small, bulk))
        await until(lambda: model.cancelled == 1)
        model.gate.set()
        assert (await other)[0, 0] == 5

    stats = served(model, act).stats()
    assert (stats.cancelled, stats.answered, stats.bytes_held) == (2, 1, 0)
    assert [4] not in model.runs
    assert sum(map(len, model.runs)) < 30


def test_a_request_out_of_time_is_told_at_once_and_its_run_ended() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        with pytest.raises(DeadlineError, match=r"0\.0\d s have passed since the request came"):
            await serving.embed_images([b"a"] * 9, timeout_s=0.05, priority="bulk")
        model.gate.set()
        assert len(await serving.embed_texts(["b"])) == 1
        with pytest.raises(ValueError, match="timeout_s is nan"):
            await serving.embed_texts(["b"], timeout_s=float("nan"))
        with pytest.raises(ValueError, match="priority is 'high', not interactive or bulk"):
            await serving.embed_texts(["b"], priority="high")

    stats = served(model, act).stats()
    assert (stats.expired, stats.answered) == (1, 1)


@pytest.mark.skipif(not CAN_PREEMPT, reason="threads have no priority of their own here")
def test_a_text_has_a_worker_while_images_hold_all_others() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        bulk = asyncio.create_task(serving.embed_images([b"a"] * 30))
        await entered(model)
        text = asyncio.create_task(serving.embed_texts(["text"]))
        await entered(model)
        assert [4] in model.runs
        own = os.getpriority(os.PRIO_PROCESS, os.getpid())
        threads = [t for t in threading.enumerate() if t.name == "twinlens-serving"]
        found = {os.getpriority(os.PRIO_PROCESS, t.native_id) for t in threads}
        wanted = {min(own + step, LOWEST) for step in NICENESS.values()}
        assert found == wanted, "the caller's thread comes first"
        model.gate.set()
        assert (await text)[0, 0] == 4
        assert len(await bulk) == 30

    assert served(model, act, preempt=True).stats().answered == 2


def test_drain_loses_nothing_and_close_tells_those_that_wait() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        at_work = asyncio.create_task(serving.embed_texts(["a"]))
        await entered(model)
        waiting = [asyncio.create_task(serving.embed_texts(["b" * n])) for n in range(2, 6)]
        await until(lambda: serving.stats().accepted == 5)
        assert serving.ready
        assert await serving.drain(0.01) == 5
        assert serving.draining
        assert not serving.ready
        with pytest.raises(ClosedError, match="draining"):
            await serving.embed_texts(["c"])
        draining = asyncio.create_task(serving.drain())
        waiting.pop().cancel()
        await until(lambda: serving.stats().cancelled == 1)
        model.gate.set()
        assert await draining == 0
        assert [int((await task)[0, 0]) for task in [at_work, *waiting]] == [1, 2, 3, 4]

    stats = served(model, act).stats()
    assert (stats.accepted, stats.answered, stats.cancelled, stats.refused) == (5, 4, 1, 1)


def test_close_ends_waiting_requests_and_finishes_those_at_work() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        at_work = asyncio.create_task(serving.embed_texts(["a"]))
        await entered(model)
        waiting = asyncio.create_task(serving.embed_texts(["b"]))
        await until(lambda: serving.stats().accepted == 2)
        closing = asyncio.create_task(serving.aclose())
        with pytest.raises(ClosedError, match="the engine is closed"):
            await waiting
        model.gate.set()
        await closing
        assert (await at_work)[0, 0] == 1
        with pytest.raises(ClosedError, match="the engine is closed"):
            await serving.embed_texts(["c"])
        with pytest.raises(ClosedError, match="the engine is closed"):
            serving.start()

    assert served(model, act).stats().closed == 1


def test_a_worker_that_dies_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        for _ in range(5):  # more often than is borne in succession
            await until(lambda: all(map(is_idle, worker_threads())))
            (thread,) = worker_threads()
            raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(SystemExit)
            )
            assert raised == 1
            assert (await serving.embed_texts(["a"]))[0, 0] == 1
            assert (await serving.embed_texts(["bb"]))[0, 0] == 2
            assert serving.ready

    with caplog.at_level(logging.CRITICAL):
        stats = served(model, act).stats()
    assert stats.restarts == 5


def test_a_run_whose_worker_dies_fails_and_the_last_worker_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def embed_run(*_: object, **__: object) -> None:
        raise SystemExit("a fault of the engine")

    replace_worker = Workers._replace

    def slowly(workers: Workers, error: BaseException, lane: Lane) -> None:
        replace_worker(workers, error, lane)
        time.sleep(0.02)  # the next worker dies while this one has not ended yet

    monkeypatch.setattr(Workers, "_replace", slowly)
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        assert serving.ready
        monkeypatch.setattr("twinlens.serving.working.workers.embed_run", embed_run)
        for _ in range(4):
            with pytest.raises(RuntimeError, match="the worker ended before the item was embedded"):
                await serving.embed_texts(["a"])
        with pytest.raises(ClosedError, match="all workers have ended by errors"):
            await serving.embed_texts(["a"])
        assert not serving.ready
        assert serving.stats().workers_alive == 0

    with caplog.at_level(logging.CRITICAL):
        stats = served(model, act).stats()
    assert (stats.failed, stats.restarts) == (4, 3)


@pytest.mark.parametrize("error", [ValueError("no tower"), SystemExit("no tower")])
def test_a_warm_up_that_fails_is_the_error_of_the_opening(error: BaseException) -> None:
    model = FakeModel(failures={"warm-up": error})
    with pytest.raises((ValueError, RuntimeError), match="no tower"):
        served(model, lambda serving: serving.drain(), workers=3)
    assert model.warmed == 1


def test_requests_before_the_warm_up_wait_for_it() -> None:
    model = FakeModel()
    model.gate.clear()

    async def run() -> None:
        serving = AsyncModel(model, workers=2, limits=LIMITS)
        with pytest.raises(ClosedError, match="not started"):
            await serving.embed_texts(["a"])
        serving.start()
        serving.start()
        early = asyncio.create_task(serving.embed_texts(["a"]))
        await entered(model)
        assert not serving.ready
        assert serving.stats().runs == 0
        model.gate.set()
        await serving.wait_ready()
        assert serving.ready
        assert (await early)[0, 0] == 1
        await serving.aclose()
        await serving.aclose()

    asyncio.run(run())


def test_one_engine_serves_several_loops_and_outlives_a_closed_one() -> None:
    model = FakeModel()
    found: list[float] = []

    async def ask(serving: AsyncModel, text: str) -> None:
        found.append((await serving.embed_texts([text]))[0, 0])

    async def act(serving: AsyncModel) -> None:
        threads = [
            threading.Thread(target=lambda n=n: asyncio.run(ask(serving, "a" * n)))
            for n in range(1, 9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert sorted(found) == list(range(1, 9))
        model.gate.clear()
        lost = asyncio.new_event_loop()
        task = lost.create_task(ask(serving, "lost"))
        lost.run_until_complete = None
        await asyncio.to_thread(_step, lost)
        await entered(model)
        lost.close()
        task.get_coro().close()  # as when the interpreter ends
        del task
        model.gate.set()
        assert (await serving.embed_texts(["b"]))[0, 0] == 1

    served(model, act, workers=2)


def _step(loop: asyncio.AbstractEventLoop) -> None:
    """Run what is ready on a loop, once."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_a_forgotten_engine_ends_its_threads() -> None:
    serving = AsyncModel(FakeModel(), workers=2)
    serving.start()
    threads = worker_threads()
    assert len(threads) == (4 if CAN_PREEMPT else 2)
    gone = weakref.ref(serving)
    del serving
    gc.collect()
    assert gone() is None
    for thread in threading.enumerate():
        if thread.ident in threads:
            thread.join(PATIENCE_S)
    assert not worker_threads()


def test_admission_is_all_or_none_and_tells_when_to_come_again() -> None:
    model = FakeModel()
    limits = AdmissionLimits(max_items=3, timeout_s=PATIENCE_S)

    async def act(serving: AsyncModel) -> None:
        model.gate.clear()
        first = asyncio.create_task(serving.embed_texts(["a"]))
        await entered(model)
        mixed = asyncio.create_task(serving.embed(["b", "cc", b"d"]))
        await until(lambda: serving.stats().accepted == 2)
        with pytest.raises(OverloadedError, match=r"2 interactive texts wait") as caught:
            await serving.embed([b"e", "f", "g"])
        assert 0 < caught.value.retry_after_s < PATIENCE_S
        assert sum(serving.stats().waiting.values()) == 3
        model.gate.set()
        assert [*(await mixed).rows[:, 0]] == [1, 2, ord("d")]
        await first

    served(model, act, limits=limits)


def test_no_error_and_no_idle_worker_keeps_the_pixels_of_a_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, pixels = FakeModel(failures={"image x": ValueError("odd")}), []
    decode = model.preprocess

    def preprocess(image: object) -> np.ndarray:
        found = decode(image)
        pixels.append(weakref.ref(found))
        return found

    model.preprocess = preprocess

    async def act(serving: AsyncModel) -> None:
        pixels.clear()
        found = await failures(
            serving.embed_images([b"x", b"y"]), serving.embed_images([b"z"] * 9, priority="bulk")
        )
        await until(lambda: all(map(is_idle, worker_threads())))
        assert isinstance(found[0], ValueError)
        assert len(pixels) >= 10
        assert not [one for one in pixels if one() is not None]

    gc.disable()  # nothing is left to it
    try:
        with caplog.at_level(logging.CRITICAL):  # a record keeps the frames
            served(model, act)
    finally:
        gc.enable()


def test_a_forked_child_is_told_and_ends() -> None:
    model = FakeModel()

    async def act(serving: AsyncModel) -> None:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with pytest.raises(ClosedError, match="threads are in the parent process"):
                    asyncio.run(serving.embed_texts(["a"]))
                assert not serving.ready
                code = 0
            finally:
                os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert (await serving.embed_texts(["a"]))[0, 0] == 1

    served(model, act)


@pytest.mark.parametrize("is_signal", [True, False], ids=["signal", "raised in the loop"])
def test_an_interrupt_drops_what_waits_and_leaves_no_thread(is_signal: bool) -> None:
    model = FakeModel()
    engines: list[AsyncModel] = []

    def interrupt() -> None:
        model.gate.set()
        if is_signal:
            signal.raise_signal(signal.SIGINT)
        else:
            raise KeyboardInterrupt

    async def act(serving: AsyncModel) -> None:
        engines.append(serving)
        model.gate.clear()
        tasks = [asyncio.create_task(serving.embed_texts(["a"] * n)) for n in range(1, 9)]
        await entered(model)
        await until(lambda: serving.stats().accepted == 8)
        asyncio.get_running_loop().call_soon(interrupt)
        await asyncio.gather(*tasks)

    with pytest.raises(KeyboardInterrupt):
        served(model, act)
    assert not worker_threads()
    stats = engines[0].stats()
    assert (stats.unfinished, stats.bytes_held, sum(stats.waiting.values())) == (0, 0, 0)
    assert stats.cancelled + stats.answered + stats.closed == stats.accepted == 8


def test_a_process_that_never_closes_its_engine_ends() -> None:
    program = (
        "import asyncio, twinlens\n"
        "async def main():\n"
        "    global serving\n"
        "    serving = twinlens.AsyncModel(twinlens.load('demo', threads=1), workers=2)\n"
        "    serving.start()\n"
        "    await serving.embed_texts(['a dog'])\n"
        "    asyncio.ensure_future(serving.embed_texts(['a dog'] * 200))\n"
        "    await asyncio.sleep(0)\n"
        "    print('asked', serving.stats().accepted)\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.run_until_complete(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "asked 2\n"), ended.stderr
