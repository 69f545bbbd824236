"""The queues of an engine: admission, order and account of all items.

Pure bookkeeping: no thread, no lock, no clock. Every act is given the time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from twinlens.errors import ClosedError, DeadlineError, OverloadedError
from twinlens.serving.admission_limits import AdmissionLimits
from twinlens.serving.queueing.lanes import ONE_LANE, Lane
from twinlens.serving.queueing.run_budget import SHORT_S, RunBudgets, is_long
from twinlens.serving.queueing.shares import FairShares, drain_s
from twinlens.serving.queueing.waiting import Waiting, is_large
from twinlens.serving.work import QUEUES, Item, QueueName, Request, Run

End = Literal["answered", "failed", "expired", "cancelled", "closed"]
"""Ends of an accepted request."""
HOPELESS: float = 2.0
"""A request is refused at once if it takes this many times longer than it has, by the estimate."""
LARGE_SHARE_OF_ITEMS: float = 0.75
"""Part of a queue that large requests may fill; a few of 2,000 texts leave room for searches."""


@dataclass(slots=True, kw_only=True)
class Taken:
    """A run to work at, if there is one, and requests that have expired meanwhile."""

    run: Run | None = None
    expired: list[Request] = field(default_factory=list)


class Queues:
    """Items that wait or are worked at, in one queue for each kind and priority.

    Args:
        limits: limits on requests and queues.
        workers: number of workers, of each lane.
        lanes: queues of each lane; a worker takes from those of its own.
    """

    def __init__(
        self,
        limits: AdmissionLimits,
        *,
        workers: int,
        lanes: Mapping[Lane, frozenset[QueueName]] = ONE_LANE,
    ) -> None:
        self._limits = limits
        self._waiting = {name: Waiting(in_turns=name.priority == "bulk") for name in QUEUES}
        self._lanes = {name: lane for lane, names in lanes.items() for name in names}
        self._shares = FairShares()
        self._budgets = {lane: RunBudgets(workers=workers) for lane in lanes}
        self._runs: list[Run] = []
        self._requests: set[Request] = set()
        self._refusal: str | None = None
        self.n_bytes = 0
        """Bytes held by requests that have not ended."""
        self.counts: Counter[str] = Counter()
        """Requests accepted, refused, and ended in each way; runs, and items of them."""

    @property
    def unfinished(self) -> int:
        """Requests accepted and not ended."""
        return len(self._requests)

    @property
    def has_waiting(self) -> bool:
        """True if there are items that no worker has taken."""
        return any(self._waiting.values())

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Lanes of the queues."""
        return tuple(self._budgets)

    def lanes_with_items(self) -> set[Lane]:
        """Return the lanes with items that no worker has taken."""
        return {self._lanes[name] for name, waiting in self._waiting.items() if waiting}

    def lane_of(self, name: QueueName) -> Lane:
        """Return the lane of a queue."""
        return self._lanes[name]

    def has(self, request: Request) -> bool:
        """Return True for a request that was accepted and has not ended."""
        return request in self._requests

    @property
    def runs(self) -> tuple[Run, ...]:
        """Runs at work."""
        return tuple(self._runs)

    def waiting(self) -> dict[QueueName, int]:
        """Return the items that wait in each queue."""
        return {name: len(waiting) for name, waiting in self._waiting.items()}

    def work_s(self) -> dict[QueueName, float]:
        """Return the estimated seconds of work of each queue, waiting or at work."""
        work = {name: waiting.seconds for name, waiting in self._waiting.items()}
        for run in self._runs:
            work[run.queue] += run.seconds
        return work

    def set_workers(self, workers: int, *, lane: Lane = "all") -> None:
        """Set the number of workers of a lane, at least 1."""
        self._budgets[lane].workers = workers

    def refuse_all(self, reason: str) -> None:
        """Accept nothing from now on, for this reason."""
        self._refusal = reason

    def admit(self, request: Request, items: Sequence[Item], now: float) -> None:
        """Accept all items of a request, or none.

        Raises:
            ClosedError: nothing is accepted any more.
            DeadlineError: the request has less time than it needs, on an idle engine too.
            OverloadedError: there is no room for it now.
        """
        parts: dict[QueueName, list[Item]] = {}
        for item in items:
            parts.setdefault(QueueName(item.kind, request.priority), []).append(item)
        try:
            self._require_room(request, parts, now)
        except (ClosedError, DeadlineError, OverloadedError):
            self.counts["refused"] += 1
            raise
        for name, own in parts.items():
            if not self._waiting[name]:
                self._shares.arrive(name)
            self._waiting[name].add(request, own)
            if request.priority == "interactive":
                self._budgets[self._lanes[name]].arrive(name.kind, now)
        self.n_bytes += request.n_bytes
        self._requests.add(request)
        self.counts["accepted"] += 1

    def take(self, now: float, *, worker: int, lane: Lane = "all") -> Taken:
        """Take the items of a lane's next run out of their queue; expired requests are dropped."""
        taken = Taken()
        names = [n for n, waiting in self._waiting.items() if waiting and self._lanes[n] == lane]
        for name in self._shares.order(names):
            items = self._drawn(name, now, taken.expired)
            if items:
                taken.run = self._started(name, items, now=now, worker=worker)
                break
        return taken

    def finish(self, run: Run, *, seconds: float) -> list[Request]:
        """Take the results of a run, and return the requests that it has ended."""
        self._ended_run(run)
        self.counts["runs"] += 1
        self.counts["items"] += len(run.items)
        self._shares.correct(run.queue, seconds - run.seconds)
        ended = []
        for request in {item.request: None for item in run.items}:
            request.tower_s += run.tower_s
        for item in run.items:
            request = item.request
            if request.ended:
                continue
            if not item.is_embedded:
                self.end(request, "failed", item.failure())
                ended.append(request)
                continue
            request.left -= 1
            request.tokens += item.tokens
            request.decode_s += item.decode_s
            if item.truncated:
                request.truncated.append(item.place)
            if request.left == 0:
                self.end(request, "answered")
                ended.append(request)
        return ended

    def end(self, request: Request, end: End, error: Exception | None = None) -> None:
        """End a request: drop its waiting items, and cancel runs that serve nobody any more."""
        request.ended, request.error = True, error
        for waiting in self._waiting.values():
            waiting.drop(request)
        self.n_bytes -= request.n_bytes
        self._requests.remove(request)
        self.counts[end] += 1
        for run in self._runs:
            if run.cancellation is not None and all(item.request.ended for item in run.items):
                run.cancellation.cancel()

    def end_waiting(self, reason: str) -> list[Request]:
        """End every request with waiting items, and return them."""
        ended = list({r: None for w in self._waiting.values() for r in w.requests()})
        for request in ended:
            self.end(request, "closed", ClosedError(reason))
        return ended

    def _require_room(
        self, request: Request, parts: dict[QueueName, list[Item]], now: float
    ) -> None:
        if self._refusal is not None:
            raise ClosedError(self._refusal)
        workers, limits = min(one.workers for one in self._budgets.values()), self._limits
        own = {name: sum(item.seconds for item in items) for name, items in parts.items()}
        allowed = request.deadline - now
        needed = sum(own.values()) / min(workers, sum(map(len, parts.values())))
        if needed > HOPELESS * allowed:
            raise DeadlineError(
                f"the request takes about {needed:.3f} s, and has {max(allowed, 0):.3f}; "
                "ask for it in parts, or allow more time"
            )
        work = self.work_s()
        for name, seconds in own.items():
            waiting = self._waiting[name]
            work[name] += waiting.seconds_ahead(seconds) - waiting.seconds
        n_bytes = self.n_bytes + request.n_bytes
        both = {name: seconds + own.get(name, 0) for name, seconds in work.items()}
        for name, items in parts.items():
            wait_s = drain_s(work, name, workers=workers)
            full = self._is_full(name, items)
            # Behind an empty queue a request has its chance, though the estimate is against it.
            late = wait_s > 0 and drain_s(both, name, workers=workers) > allowed
            too_long = wait_s > limits.wait_s(request.priority)
            if full or late or too_long or n_bytes > limits.bytes_for(request.priority):
                raise self._overloaded(name, wait_s or sum(work.values()) / workers)

    def _is_full(self, name: QueueName, items: Sequence[Item]) -> bool:
        waiting, most = len(self._waiting[name]), self._limits.max_items
        if waiting and name.priority == "interactive" and is_large(items):
            most = int(most * LARGE_SHARE_OF_ITEMS)
        return waiting + len(items) > most

    def _overloaded(self, name: QueueName, wait_s: float) -> OverloadedError:
        return OverloadedError(
            f"{len(self._waiting[name])} {name.priority} {name.kind}s wait, about {wait_s:.2f} s "
            f"of work; ask again in {wait_s:.2f} s",
            retry_after_s=wait_s,
        )

    def _drawn(self, name: QueueName, now: float, expired: list[Request]) -> list[Item]:
        """Take the items of one run out of a queue; none if its next item has to wait."""
        waiting = self._waiting[name]
        items: list[Item] = []
        seconds, tokens, pixels = 0.0, 0, self._free_pixels()
        waiting.begin_run()
        self._live_head(waiting, now, expired)
        of_large = waiting.is_of_large
        waiting_s = min(waiting.seconds, SHORT_S) if of_large else waiting.seconds
        budget = self._budgets[self._lanes[name]].of(name, waiting_s=waiting_s, now=now)
        while (item := self._live_head(waiting, now, expired)) is not None:
            if waiting.is_of_large and not of_large:
                break  # small ones are not kept until its items are embedded
            seconds, tokens = seconds + item.seconds, tokens + item.tokens
            too_slow = item.seconds > budget.longest_item_s
            is_first = not items and pixels == self._limits.max_pixels_at_work
            too_large = item.pixels > pixels and not is_first
            if too_slow or too_large or not budget.takes(len(items) + 1, seconds, tokens):
                break
            items.append(waiting.take())
        return items

    def _live_head(self, waiting: Waiting, now: float, expired: list[Request]) -> Item | None:
        """Return the next item whose request has time left; the requests before it have expired."""
        while (head := waiting.head()) is not None and now >= head.request.deadline:
            request = head.request
            waited = f"{now - request.arrived:.2f} s have passed since the request came"
            self.end(request, "expired", DeadlineError(f"{waited}; allow more time, or ask later"))
            expired.append(request)
        return head

    def _free_pixels(self) -> int:
        return self._limits.max_pixels_at_work - sum(run.pixels for run in self._runs)

    def _started(self, name: QueueName, items: list[Item], *, now: float, worker: int) -> Run:
        seconds = sum(item.seconds for item in items)
        run = Run(
            queue=name,
            items=items,
            seconds=seconds,
            taken=now,
            worker=worker,
            is_long=is_long(len(items), seconds),
        )
        self._runs.append(run)
        self._budgets[self._lanes[name]].start(run)
        self._shares.start(name, seconds)
        for item in items:
            if item.request.started is None:
                item.request.started = now
        return run

    def _ended_run(self, run: Run) -> None:
        self._runs.remove(run)
        self._budgets[self._lanes[run.queue]].end(run)
