"""Queues of an engine under a virtual clock, with towers whose costs are set."""

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from twinlens.serving.admission_limits import AdmissionLimits
from twinlens.serving.queueing.lanes import PREEMPTIVE, Lane
from twinlens.serving.queueing.queues import Queues
from twinlens.serving.work import Item, Kind, Priority, Request, Run
from twinlens.serving.working.thread_priority import NICENESS

ROWS = np.empty((0, 1), dtype=np.float32)
TEXT_S, TEXT_FIXED_S = 2.48e-3, 1.3e-3
IMAGE_S, IMAGE_FIXED_S = 25.4e-3, 3e-3
"""ViT-B/32 in int8 on one core with AVX-512 VNNI, captions and decoding of 640x480 included."""


def request_of(
    kinds: Sequence[Kind],
    *,
    now: float,
    priority: Priority = "interactive",
    timeout_s: float = 1e9,
    seconds: float | None = None,
    **facts: object,
) -> tuple[Request, list[Item]]:
    """A request and its items; an item's estimate is the marginal cost above by default."""
    request = Request(
        priority=priority, arrived=now, deadline=now + timeout_s, rows=ROWS, left=len(kinds)
    )
    items = [
        Item(
            request=request,
            place=place,
            row=place,
            kind=kind,
            payload=None,
            seconds=seconds or {"text": TEXT_S, "image": IMAGE_S}[kind],
            tokens=12 if kind == "text" else 0,
            **facts,  # type: ignore[arg-type]
        )
        for place, kind in enumerate(kinds)
    ]
    request.n_bytes = sum(item.n_bytes for item in items)
    return request, items


def run_s(run: Run) -> float:
    """Seconds that a run really takes."""
    fixed = {"text": TEXT_FIXED_S, "image": IMAGE_FIXED_S}[run.queue.kind]
    return fixed + sum(item.seconds for item in run.items)


@dataclass(frozen=True)
class Stream:
    """Requests that arrive at random (Poisson), or for `every_s` > 0 at a fixed distance."""

    name: str
    kinds: tuple[Kind, ...]
    rate: float
    priority: Priority = "interactive"
    is_regular: bool = False


@dataclass
class VirtualEngine:
    """Workers that take runs from real queues, at times that an event queue tells."""

    workers: int
    limits: AdmissionLimits = field(default_factory=lambda: AdmissionLimits(timeout_s=1e9))
    run_s: Callable[[Run], float] = run_s

    def __post_init__(self) -> None:
        self.queues = Queues(self.limits, workers=self.workers)
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.refused: dict[str, int] = defaultdict(int)
        self.busy_s = 0.0
        self.n_items = self.n_runs = 0

    def simulate(self, streams: Sequence[Stream], *, seconds: float, seed: int = 1) -> None:
        """Let requests come for so many seconds, and end when all are answered."""
        rng, ticket, busy = random.Random(seed), count(), 0
        events: list[tuple[float, int, Stream | Run]] = []
        for stream in streams:
            now = 0.0
            while now < seconds:
                step = 1 / stream.rate
                now += step if stream.is_regular else rng.expovariate(stream.rate)
                events.append((now, next(ticket), stream))
        heapq.heapify(events)
        names: dict[Request, str] = {}
        while events:
            now, _, event = heapq.heappop(events)
            if isinstance(event, Stream):
                self._arrive(event, names, now)
            else:
                busy -= 1
                for item in event.items:
                    item.is_embedded = True
                for request in self.queues.finish(event, seconds=self.run_s(event)):
                    self.latencies[names.pop(request)].append(now - request.arrived)
            while busy < self.workers:
                run = self.queues.take(now, worker=0).run
                if run is None:
                    break
                busy += 1
                self.busy_s += self.run_s(run)
                self.n_items, self.n_runs = self.n_items + len(run.items), self.n_runs + 1
                heapq.heappush(events, (now + self.run_s(run), next(ticket), run))

    def quantile_ms(self, name: str, share: float) -> float:
        """Quantile of the latencies of a stream, in milliseconds."""
        return float(np.quantile(self.latencies[name], share)) * 1e3

    def _arrive(self, stream: Stream, names: dict[Request, str], now: float) -> None:
        request, items = request_of(stream.kinds, now=now, priority=stream.priority)
        self.queues.admit(request, items, now)
        names[request] = stream.name


@dataclass
class PreemptiveEngine(VirtualEngine):
    """Lanes of as many workers each as there are cores, which the scheduler divides by weight."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.queues = Queues(self.limits, workers=self.workers, lanes=PREEMPTIVE)
        self._left: dict[Run, float] = {}
        """Seconds of work left of each run."""

    def simulate(self, streams: Sequence[Stream], *, seconds: float, seed: int = 1) -> None:
        rng, now = random.Random(seed), 0.0
        arrivals = sorted(
            ((due, stream) for stream in streams for due in dues(stream, seconds, rng)),
            key=lambda arrival: arrival[0],
            reverse=True,
        )
        names: dict[Request, str] = {}
        while arrivals or self._left:
            rates = self._rates()
            ends = {run: now + left / rates[run] for run, left in self._left.items()}
            first = min(ends, key=ends.__getitem__, default=None)
            is_arrival = first is None or (arrivals and arrivals[-1][0] <= ends[first])
            then = arrivals[-1][0] if is_arrival else ends[first]
            for run in self._left:
                self._left[run] -= (then - now) * rates[run]
            now = then
            if is_arrival:
                self._arrive(arrivals.pop()[1], names, now)
            else:
                self._finish(first, names, now)
            self._take(now)

    def _finish(self, run: Run, names: dict[Request, str], now: float) -> None:
        del self._left[run]
        for item in run.items:
            item.is_embedded = True
        for request in self.queues.finish(run, seconds=now - run.taken):
            self.latencies[names.pop(request)].append(now - request.arrived)

    def _take(self, now: float) -> None:
        for lane in PREEMPTIVE:
            while sum(self._lane(run) == lane for run in self._left) < self.workers:
                run = self.queues.take(now, worker=0, lane=lane).run
                if run is None:
                    break
                self.n_items, self.n_runs = self.n_items + len(run.items), self.n_runs + 1
                self._left[run] = self.run_s(run)
                self.busy_s += self.run_s(run)

    def _rates(self) -> dict[Run, float]:
        """Share of a core that each run has: by weight, and never more than one."""
        rates: dict[Run, float] = {}
        open_runs, cores = [*self._left], float(self.workers)
        while open_runs:
            total = sum(self._weight(run) for run in open_runs)
            whole = [run for run in open_runs if cores * self._weight(run) / total >= 1]
            if not whole:
                return rates | {run: cores * self._weight(run) / total for run in open_runs}
            rates |= dict.fromkeys(whole, 1.0)
            cores -= len(whole)
            open_runs = [run for run in open_runs if run not in whole]
        return rates

    def _weight(self, run: Run) -> float:
        return float(1.25 ** -NICENESS[self._lane(run)])

    def _lane(self, run: Run) -> Lane:
        return self.queues.lane_of(run.queue)


def dues(stream: Stream, seconds: float, rng: random.Random) -> list[float]:
    """Times at which the requests of a stream come."""
    found, now = [], 0.0
    while now < seconds:
        now += 1 / stream.rate if stream.is_regular else rng.expovariate(stream.rate)
        found.append(now)
    return found
