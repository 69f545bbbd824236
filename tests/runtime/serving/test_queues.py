"""The queues, in any order of events: nothing is lost, answered twice, or half accepted."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from virtual_engine import request_of

from twinlens.errors import ClosedError, DeadlineError, OverloadedError
from twinlens.serving.admission_limits import AdmissionLimits
from twinlens.serving.queueing.queues import Queues
from twinlens.serving.queueing.run_budget import LATELY_S, LONG_S, MOST_ITEMS, SHORT_S
from twinlens.serving.queueing.shares import drain_s
from twinlens.serving.work import (
    QUEUES,
    ImageHeader,
    Item,
    Kind,
    Priority,
    QueueName,
    Request,
    Run,
)

# No sum of the items' seconds comes near a limit: sums in another order round otherwise.
LIMITS = AdmissionLimits(
    max_items=12,
    max_bytes=1000,
    max_wait_s=2.0003,
    max_interactive_wait_s=1.0003,
    max_pixels_at_work=100,
)
WORKERS = 3


class Engine(RuleBasedStateMachine):
    """Queues beside a plain account of every item."""

    taken_runs = Bundle("taken_runs")

    def __init__(self) -> None:
        super().__init__()
        self.queues, self.now = Queues(LIMITS, workers=WORKERS), 0.0
        self.live: dict[Request, list[Item]] = {}
        """Requests accepted and not ended, with the items that wait."""
        self.runs: list[Run] = []
        self.seen: set[Item] = set()
        """Items that a worker had."""
        self.counts: Counter[str] = Counter()
        self.last_interactive = dict.fromkeys(("text", "image"), float("-inf"))

    @rule(
        kinds=st.lists(st.sampled_from(["text", "image"]), min_size=1, max_size=6),
        priority=st.sampled_from(["interactive", "bulk"]),
        timeout_s=st.sampled_from([0.0103, 1.0003, 9.0003]),
        seconds=st.sampled_from([0.003, 0.03, 0.3]),
        n_bytes=st.sampled_from([1, 40, 125]),
        pixels=st.sampled_from([1, 60, 150]),
    )
    def admit(
        self,
        kinds: list[Kind],
        priority: Priority,
        timeout_s: float,
        seconds: float,
        n_bytes: int,
        pixels: int,
    ) -> None:
        request, items = request_of(
            kinds,
            now=self.now,
            priority=priority,
            timeout_s=timeout_s,
            seconds=seconds,
            n_bytes=n_bytes,
            header=ImageHeader("PNG", pixels),
        )
        hopeless = seconds * len(items) / min(len(items), WORKERS) > 2 * timeout_s
        full = not hopeless and self.is_full(request, items)
        before = self.queues.waiting(), self.queues.n_bytes, self.queues.work_s()
        if hopeless or full:
            with pytest.raises(DeadlineError if hopeless else OverloadedError) as refusal:
                self.queues.admit(request, items, self.now)
            assert getattr(refusal.value, "retry_after_s", 1) > 0
            assert (self.queues.waiting(), self.queues.n_bytes, self.queues.work_s()) == before
            self.counts["refused"] += 1
        else:
            self.queues.admit(request, items, self.now)
            self.live[request] = items
            self.counts["accepted"] += 1
            if priority == "interactive":
                self.last_interactive |= dict.fromkeys(kinds, self.now)

    def is_full(self, request: Request, items: list[Item]) -> bool:
        """True if the request has to come again, by the plain account."""
        share = 1 if request.priority == "interactive" else 0.75
        held = sum(other.n_bytes for other in self.live)
        if held + request.n_bytes > share * LIMITS.max_bytes:
            return True
        work, both = Counter[QueueName](), Counter[QueueName]()
        waiting = [item for own in self.live.values() for item in own]
        for item in waiting + [item for run in self.runs for item in run.items]:
            work[QueueName(item.kind, item.request.priority)] += item.seconds
        both += work
        for item in items:
            both[QueueName(item.kind, request.priority)] += item.seconds
        longest = 1.0003 if request.priority == "interactive" else 2.0003
        for kind in {item.kind for item in items}:
            name = QueueName(kind, request.priority)
            same = [i for i in waiting if (i.kind, i.request.priority) == name]
            wait_s = drain_s(work, name, workers=WORKERS)
            late = drain_s(both, name, workers=WORKERS) > request.deadline - self.now
            if len(same) + sum(i.kind == kind for i in items) > LIMITS.max_items:
                return True
            if wait_s > longest or (wait_s > 0 and late):
                return True
        return False

    @rule(target=taken_runs)
    def take(self) -> Run | None:
        if len(self.runs) == WORKERS:
            return None
        taken = self.queues.take(self.now, worker=len(self.runs))
        for request in taken.expired:
            assert self.now >= request.deadline
            assert isinstance(request.error, DeadlineError)
            self.forget(request, "expired")
        if taken.run is None:
            # Nothing waits, or only items that have to wait for a run at work.
            assert self.runs or not any(self.queues.waiting().values())
            return None
        self.check(taken.run)
        self.runs.append(taken.run)
        return taken.run

    def check(self, run: Run) -> None:
        assert 1 <= len(run.items) <= MOST_ITEMS[run.queue.kind]
        assert {QueueName(i.kind, i.request.priority) for i in run.items} == {run.queue}
        at_work = sum(other.pixels for other in self.runs)
        assert not self.runs or at_work + run.pixels <= LIMITS.max_pixels_at_work
        for item in run.items:
            assert self.now < item.request.deadline
            waiting = self.live[item.request]
            assert item is next(i for i in waiting if i.kind == item.kind)  # in order
            waiting.remove(item)
            assert item not in self.seen
            self.seen.add(item)
            if run.queue.priority == "interactive":
                assert not self.older(item)  # first come, first served
        others = [kind for kind in self.last_interactive if run.queue != (kind, "interactive")]
        if any(self.now - self.last_interactive[kind] < LATELY_S for kind in others):
            long = [r for r in self.runs if r.seconds > LONG_S]
            if len(long) == WORKERS - 1:
                assert run.seconds <= (LONG_S if len(run.items) == 1 else SHORT_S * (1 + 1e-6))

    def older(self, item: Item) -> list[Request]:
        return [
            request
            for request, items in self.live.items()
            if request.priority == "interactive"
            and any(other.kind == item.kind for other in items)
            and request.arrived < item.request.arrived
            and request.deadline > self.now
        ]

    @rule(run=taken_runs, failing=st.sets(st.integers(0, 5)), slowness=st.floats(0.1, 10))
    def finish(self, run: Run | None, failing: set[int], slowness: float) -> None:
        if run is None or run not in self.runs:
            return
        self.runs.remove(run)
        for place, item in enumerate(run.items):
            item.is_embedded = place not in failing
            item.error = None if item.is_embedded else ValueError("torn")
        live = [item for item in run.items if item.request in self.live]
        failed = {item.request for item in live if not item.is_embedded}
        at_work = {item.request for other in self.runs for item in other.items}
        whole = {
            item.request
            for item in live
            if item.request not in failed | at_work and not self.live[item.request]
        }
        ended = self.queues.finish(run, seconds=run.seconds * slowness)
        assert len(ended) == len(set(ended))
        assert set(ended) == failed | whole
        for request in ended:
            assert (request.error is not None) == (request in failed)
            self.forget(request, "failed" if request in failed else "answered")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.live:
            request = data.draw(st.sampled_from([*self.live]))
            self.queues.end(request, "cancelled")
            self.forget(request, "cancelled")

    @rule(seconds=st.sampled_from([0.001, 0.05, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def forget(self, request: Request, end: str) -> None:
        assert request.ended
        del self.live[request]
        self.counts[end] += 1

    @invariant()
    def accounts_agree(self) -> None:
        waiting = [
            (QueueName(item.kind, request.priority), item.seconds)
            for request, items in self.live.items()
            for item in items
        ]
        n_waiting = Counter(name for name, _ in waiting)
        assert self.queues.waiting() == {name: n_waiting[name] for name in QUEUES}
        assert self.queues.has_waiting == bool(waiting)
        assert max(n_waiting.values(), default=0) <= LIMITS.max_items
        assert self.queues.n_bytes == sum(request.n_bytes for request in self.live)
        assert self.queues.n_bytes <= LIMITS.max_bytes
        assert self.queues.unfinished == len(self.live)
        assert all(self.queues.has(request) for request in self.live)
        counts = Counter(self.queues.counts)
        del counts["runs"], counts["items"]
        assert counts == self.counts
        for name, seconds in self.queues.work_s().items():
            own = [run.seconds for run in self.runs if run.queue == name]
            own += [item_s for queue, item_s in waiting if queue == name]
            assert abs(seconds - sum(own)) < 1e-9

    def teardown(self) -> None:
        """All runs end, and the rest is worked off: every accepted request has one end."""
        for run in [*self.runs]:
            self.finish(run, set(), 1.0)
        while self.queues.has_waiting:
            self.finish(self.take(), set(), 1.0)
        assert not self.live
        assert self.queues.n_bytes == self.queues.unfinished == 0
        assert max(self.queues.work_s().values()) == 0
        self.queues.refuse_all("closed")
        request, items = request_of(["text"], now=self.now)
        with pytest.raises(ClosedError, match=r"^closed$"):
            self.queues.admit(request, items, self.now)


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
