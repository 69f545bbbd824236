"""Metrics of the service, in a registry of its own, for Prometheus."""

from collections.abc import Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from twinlens.serving.answers import ServingStats
from twinlens.serving.observer import RunReport

BUCKETS_S: Final = tuple(1e-4 * 1.5**step for step in range(34))
"""From 0.1 ms to 65 s, each half as large again."""
BATCHES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)


class Watched(Protocol):
    """Service whose state is told at each scrape."""

    @property
    def is_ready(self) -> bool:
        """True while it takes requests."""

    @property
    def held_bytes(self) -> int:
        """Bytes of bodies held."""

    def stats(self) -> ServingStats | None:
        """Return the counts of the engine in service, if there is one."""


class Metrics:
    """Counters and histograms; observer of the engine, called from its worker threads."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._by_route_and_code = Counter(
            "twinlens_requests", "Requests answered.", ("route", "code"), registry=registry
        )
        self._by_route = _histogram("request_seconds", "From request to answer.", "route", registry)
        self._runs: dict[tuple[str, str], tuple[Histogram, Histogram, Histogram]] = {}
        """Batch, tower and queue by kind and class: to look them up takes as long as to count."""
        self._seconds: dict[str, Histogram] = {}
        self._requests: dict[tuple[str, int], Counter] = {}
        self.in_progress = 0
        """Requests not yet answered."""
        self._queue_s = Histogram(
            "twinlens_queue_seconds",
            "Wait of an item for a worker.",
            ("kind", "class"),
            registry=registry,
            buckets=BUCKETS_S,
        )
        self._decode_s = Histogram(
            "twinlens_decode_seconds", "Image to pixels.", registry=registry, buckets=BUCKETS_S
        )
        self._tower_s = _histogram("tower_seconds", "A run of a tower.", "kind", registry)
        self._batch_items = Histogram(
            "twinlens_batch_items", "Items of a run.", ("kind",), registry=registry, buckets=BATCHES
        )
        self._dropped = Counter(
            "twinlens_dropped", "Items not embedded.", ("why",), registry=registry
        )

    def watch(self, service: Watched) -> None:
        """Tell the state of a service at each scrape."""
        self.registry.register(_State(service))
        for name, words, value in (
            ("twinlens_body_bytes", "Bytes of bodies held.", lambda: service.held_bytes),
            (
                "twinlens_requests_in_progress",
                "Requests not yet answered.",
                lambda: self.in_progress,
            ),
        ):
            Gauge(name, words, registry=self.registry).set_function(value)

    def on_answer(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended. Called by the event loop alone."""
        if (route, status) not in self._requests:
            self._requests[route, status] = self._by_route_and_code.labels(route, str(status))
            self._seconds[route] = self._by_route.labels(route)
        self._requests[route, status].inc()
        self._seconds[route].observe(seconds)

    def on_run(self, report: RunReport) -> None:
        """Count a run of a tower."""
        kind, priority = report.kind, report.priority
        if (kind, priority) not in self._runs:
            self._runs[kind, priority] = (
                self._batch_items.labels(kind),
                self._tower_s.labels(kind),
                self._queue_s.labels(kind, priority),
            )
        batch, tower, queue = self._runs[kind, priority]
        batch.observe(report.items)
        tower.observe(report.tower_s)
        for seconds in report.waited_s:
            queue.observe(seconds)
        for seconds in report.decode_s:
            self._decode_s.observe(seconds)

    def on_dropped(self, why: str, items: int) -> None:
        """Count items that were expired, cancelled or refused."""
        self._dropped.labels(why).inc(items)


class _State(Collector):
    """Readiness and queues, read at each scrape."""

    def __init__(self, service: Watched) -> None:
        self._service = service

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        ready = float(self._service.is_ready)
        yield GaugeMetricFamily("twinlens_ready", "1 while it takes requests.", ready)
        queues = GaugeMetricFamily(
            "twinlens_queue_items", "Items that wait for a worker.", labels=("kind", "class")
        )
        stats = self._service.stats()
        for (kind, priority), items in stats.waiting.items() if stats else ():
            queues.add_metric((kind, priority), items)
        yield queues


def _histogram(name: str, words: str, label: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(f"twinlens_{name}", words, (label,), registry=registry, buckets=BUCKETS_S)
