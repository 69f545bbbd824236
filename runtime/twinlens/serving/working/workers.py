"""Workers of an engine: threads that take runs from the queues and embed them."""

import asyncio
import atexit
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, Literal
from weakref import WeakSet

from twinlens.errors import ClosedError, DeadlineError, OverloadedError
from twinlens.forks import renew_in_children
from twinlens.ort.cancellation import Cancellation
from twinlens.serving.answers import ServingStats
from twinlens.serving.cost import Costs
from twinlens.serving.item_errors import bare
from twinlens.serving.observer import Observer, RunReport
from twinlens.serving.queueing.lanes import Lane
from twinlens.serving.queueing.queues import Queues, Taken
from twinlens.serving.serving_model import ServingModel
from twinlens.serving.work import Item, QueueName, Request, Run
from twinlens.serving.working.embed_run import embed_run
from twinlens.serving.working.thread_priority import lower_priority
from twinlens.serving.working.warm_up import warm_up

logger = logging.getLogger(__name__)

LONGEST_RUN_S: Final = 10.0
"""Longest time that the end of the interpreter waits for a run: 64 megapixels take a second."""
FORKED: Final = "the engine's threads are in the parent process; open an AsyncModel in this one too"
MOST_RESTARTS: Final = 3
"""Workers in succession that are replaced after an error without having finished a run."""


class Workers:
    """Threads that share one model and one lock around its queues; idle ones wait on the lock.

    Each lane of the queues has so many of its own. Whatever ends a worker, the requests of its run
    are told, and another takes its place.
    """

    def __init__(
        self, model: ServingModel, queues: Queues, *, count: int, observer: Observer
    ) -> None:
        self.costs, self.count = Costs(), count
        self.restarts = 0
        self.is_warm = False
        self.failure: Exception | None = None
        """Error of the warm-up."""
        self._model, self._queues, self._observer = model, queues, observer
        # Reentrant: a garbage collection inside may close an engine. Not entered as a condition,
        # whose `__enter__` is Python: an interrupt in it would leave the lock taken.
        self._lock = threading.RLock()
        self._alive: dict[Lane, int] = dict.fromkeys(queues.lanes, 0)
        self._changed = self._conditions()
        self._threads: set[threading.Thread] = set()
        self._deaths = 0
        self.is_stopping = self._is_warming = self._is_forked = False
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        renew_in_children(self)

    def renew(self, *, torn: bool) -> None:  # noqa: ARG002  as of `Renewed`
        """Refuse everything in a forked child, which has none of the threads."""
        self._lock, self._threads = threading.RLock(), set()
        self._alive = dict.fromkeys(self._alive, 0)
        self._changed = self._conditions()
        self._waiters, self.is_stopping, self._is_forked = [], True, True
        self._queues.refuse_all(FORKED)

    def _conditions(self) -> dict[Lane, threading.Condition]:
        """Return the condition of each lane, on which its idle workers wait."""
        return {lane: threading.Condition(self._lock) for lane in self._alive}

    @property
    def alive(self) -> int:
        """Number of living threads."""
        return sum(self._alive.values())

    @property
    def is_ready(self) -> bool:
        """True if the model is warm and all workers live."""
        with self._lock:
            alive = sum(thread.is_alive() for thread in self._threads)
            whole = alive == self.count * len(self._alive)
            return self.is_warm and not self.is_stopping and whole

    def start(self) -> None:
        """Start the threads; the first one warms the model up, the others wait for it.

        Raises:
            MemoryError: a thread cannot be started.
        """
        _STARTED.add(self)
        with self._lock:
            try:
                for lane in self._alive:
                    for _ in range(self.count):
                        self._start_one(lane)
            except RuntimeError as error:  # "can't start new thread"
                self.is_stopping = True
                self._wake_all()
                message = f"{error}: free memory, or raise the limit on threads"
                raise MemoryError(message) from error

    def submit(self, request: Request, items: Sequence[Item]) -> None:
        """Accept all items of a request, or none.

        Raises:
            ClosedError: nothing is accepted any more.
            DeadlineError: the request has less time than it needs.
            OverloadedError: there is no room for it now.
        """
        try:
            with self._lock:
                self._queues.admit(request, items, monotonic())
                for kind in {item.kind for item in items}:
                    lane = self._queues.lane_of(QueueName(kind, request.priority))
                    self._changed[lane].notify(len(items))
        except (ClosedError, DeadlineError, OverloadedError):
            self._observe(lambda: self._observer.on_dropped("refused", len(items)))
            raise

    def drop(
        self, request: Request, why: Literal["expired", "cancelled"], error: Exception | None = None
    ) -> None:
        """End a request that nobody waits for any more, if it has not ended already."""
        with self._lock:
            if not self._queues.has(request):
                return
            self._queues.end(request, why, error)
            self._wake_waiters()
        self._observe(lambda: self._observer.on_dropped(why, request.left))

    def refuse_all(self, reason: str) -> None:
        """Accept nothing any more; go on with accepted requests."""
        with self._lock:
            self._queues.refuse_all(reason)

    def stop(self, reason: str) -> None:
        """Accept nothing any more, end the waiting requests, and let the threads end."""
        if self._is_forked:
            return  # a word to the waiting callers would reach the event loops of the parent
        with self._lock:
            self._queues.refuse_all(reason)
            self.is_stopping = True
            self._settle(self._queues.end_waiting(reason))
            self._wake_all()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the threads have ended."""
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(timeout_s)

    def stats(self) -> ServingStats:
        """Return the state of the queues, and counts since the start."""
        with self._lock:
            counts = self._queues.counts
            return ServingStats(
                waiting=self._queues.waiting(),
                work_s=sum(self._queues.work_s().values()),
                bytes_held=self._queues.n_bytes,
                # Without one for its texts an engine is as good as dead.
                workers_alive=self.alive if all(self._alive.values()) else 0,
                restarts=self.restarts,
                unfinished=self._queues.unfinished,
                accepted=counts["accepted"],
                refused=counts["refused"],
                answered=counts["answered"],
                failed=counts["failed"],
                expired=counts["expired"],
                cancelled=counts["cancelled"],
                closed=counts["closed"],
                runs=counts["runs"],
                items=counts["items"],
            )

    async def wait_for(self, reached: Callable[[], bool]) -> None:
        """Wait until something is reached, which is looked at whenever the state changes."""
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if reached():
                return
            self._waiters.append((reached, future))
        try:
            await future
        finally:
            with self._lock:
                self._waiters.remove((reached, future))

    def _start_one(self, lane: Lane) -> None:
        name = "twinlens-serving"
        thread = threading.Thread(target=self._main, args=(lane,), name=name, daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            raise
        self._alive[lane] += 1

    def _main(self, lane: Lane) -> None:
        try:
            self._warm_up(lane)
            lower_priority(lane)
            while (run := self._next_run(lane)) is not None:
                self._work(run)
                del run  # it would keep its items alive until the next one comes
        except BaseException as error:  # noqa: BLE001
            self._replace(error, lane)
        else:
            with self._lock:
                self._alive[lane] -= 1
        with self._lock:
            self._threads.discard(threading.current_thread())
            self._wake_waiters()

    def _warm_up(self, lane: Lane) -> None:
        """Warm the model up, or wait until another worker has."""
        with self._lock:
            is_first, self._is_warming = not self._is_warming, True
            while not is_first and not (self.is_warm or self.is_stopping):
                self._changed[lane].wait()
        if not is_first:
            return
        try:
            warm_up(self._model, self.costs)
        except BaseException as error:  # noqa: BLE001  `wait_ready` raises it
            self.failure = bare(error)
            self.stop(f"the model cannot be warmed up: {error}")
        with self._lock:
            self.is_warm = self.failure is None
            self._wake_all()
            self._wake_waiters()

    def _next_run(self, lane: Lane) -> Run | None:
        """Wait for work; None once the engine is closed."""
        while not self.is_stopping:
            with self._lock:
                taken = self._taken(lane)
                self._settle(taken.expired)
            for request in taken.expired:
                self._observe(partial(self._observer.on_dropped, "expired", request.left))
            if taken.run is not None:
                return taken.run
        return None

    def _taken(self, lane: Lane) -> Taken:
        """Wait for a run, an expired request, or the end of the engine."""
        taken = Taken()
        while not (self.is_stopping or taken.run or taken.expired):
            taken = self._queues.take(monotonic(), worker=threading.get_ident(), lane=lane)
            if not (taken.run or taken.expired):
                self._changed[lane].wait()
        if taken.run is not None and taken.run.queue.priority == "bulk":
            taken.run.cancellation = Cancellation()
        if taken.run is not None and self._queues.has_waiting:
            # An image that waited for pixels at work may belong to another worker of any lane.
            for other in self._queues.lanes_with_items():
                self._changed[other].notify()
        return taken

    def _work(self, run: Run) -> None:
        embed_run(run, self._model, text_cost=self.costs.text)
        with self._lock:
            self.costs.learn(run)
            self._deaths = 0
            self._settle(self._queues.finish(run, seconds=monotonic() - run.taken))
        self._observe(lambda: self._observer.on_run(_report(run)))

    def _replace(self, error: BaseException, lane: Lane) -> None:
        """Fail the requests of this thread's run, and start another thread in its place."""
        logger.error("a worker has ended by an error", exc_info=error)
        me = threading.get_ident()
        with self._lock:
            # Before any caller is told, whose next request another thread may die of: with two that
            # died and were still counted, nobody was the last, and requests waited for ever.
            self._alive[lane] -= 1
            for run in self._queues.runs:
                if run.worker == me:
                    self._settle(self._queues.finish(run, seconds=run.seconds))
            self._deaths += 1
            if self.is_stopping:
                return
            if self._deaths <= MOST_RESTARTS:
                with suppress(RuntimeError):  # "can't start new thread"
                    self._start_one(lane)
                    self.restarts += 1
                    return
            self._queues.set_workers(max(1, self._alive[lane]), lane=lane)
            self._wake_all()  # this thread may have been woken for another's work
            if self._alive[lane] == 0:
                self.stop("all workers have ended by errors; the log tells them")

    def _settle(self, requests: Sequence[Request]) -> None:
        """Tell the callers of ended requests, with one wake-up for each event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for request in requests:
            if request.future is not None:
                by_loop.setdefault(request.future.get_loop(), []).append(request.future)
        for loop, futures in by_loop.items():
            _call_soon(loop, futures)
        self._wake_waiters()

    def _wake_all(self) -> None:
        for changed in self._changed.values():
            changed.notify_all()

    def _wake_waiters(self) -> None:
        for reached, future in self._waiters:
            if reached():
                _call_soon(future.get_loop(), [future])

    def _observe(self, event: Callable[[], None]) -> None:
        try:
            event()
        except Exception:
            logger.exception("the observer of an engine failed")


def _call_soon(loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[None]]) -> None:
    with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
        loop.call_soon_threadsafe(_set_results, futures)


def _set_results(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _report(run: Run) -> RunReport:
    images = run.items if run.queue.kind == "image" else ()
    return RunReport(
        kind=run.queue.kind,
        priority=run.queue.priority,
        items=len(run.items),
        waited_s=tuple(run.taken - item.request.arrived for item in run.items),
        decode_s=tuple(item.decode_s for item in images),
        tower_s=run.tower_s,
    )


_STARTED: Final["WeakSet[Workers]"] = WeakSet()


def _stop_all() -> None:
    """End all workers before the interpreter: it would tear down the libraries under a run."""
    for workers in tuple(_STARTED):
        workers.stop("the interpreter ends")
        workers.join(LONGEST_RUN_S)


atexit.register(_stop_all)
