"""Queues of an engine under a virtual clock, with towers whose costs are set."""

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from twinlens.serving.admission_limits import AdmissionLimits
from twinlens.serving.queueing.queues import Queues
from twinlens.serving.work import Item, Kind, Priority, Request, Run

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
