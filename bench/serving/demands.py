"""Demands on the service, each computed from the figures: passed or missed."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from bench.harness.results_log import Line
from bench.serving.contenders import CONTENDERS, ENGINE, OURS, PLAIN
from bench.serving.figures import Figures
from bench.serving.scenarios import mixed, overload, soak
from bench.serving.scenarios.alone import NAME as ONE
from bench.serving.scenarios.alone import OFFLINE
from bench.serving.scenarios.loads import SAME_RATE

SAME: Final = f"{SAME_RATE:.0f} texts a second"
CALM_MS: Final = 1.0
"""Difference of a median before and after a flood that is no loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One demand with its figure."""

    demand: str
    figure: float
    wanted: str
    bound: float
    is_least: bool = False
    """True if the figure must be at least the bound, False if at most."""

    def row(self) -> Line:
        met = self.figure >= self.bound if self.is_least else self.figure <= self.bound
        known = {key: value for key, value in asdict(self).items() if key in {"demand", "wanted"}}
        figure = None if math.isnan(self.figure) else float(f"{self.figure:.4g}")
        return known | {"figure": figure, "passes": bool(met)}


def demands(figures: Figures) -> list[Line]:
    """Return all demands; one whose figure was not measured is None, and missed."""
    parts = (throughput, latency, isolation, cost, flood, life)
    return [demand.row() for part in parts for demand in part(figures)]


def throughput(figures: Figures) -> Iterator[Demand]:
    for scenario, offline, noun in (
        ("saturation, 32 texts a request", "texts_a_second", "32 texts a request"),
        ("saturation, text", "texts_a_second", "one text a request"),
        ("saturation, image", "images_a_second", "one image a request"),
    ):
        served = figures.median(scenario, OURS, "items_a_second")
        alone = figures.median(OFFLINE, OURS, offline)
        yield Demand(
            demand=f"saturation of offline throughput, {noun}",
            figure=served / alone,
            wanted=">= 0.95",
            bound=0.95,
            is_least=True,
        )


def latency(figures: Figures) -> Iterator[Demand]:
    yield Demand(
        demand="p50 of one caption at low load, above the tower alone, ms",
        figure=figures.of(ONE, OURS, above_tower),
        wanted="<= 1",
        bound=1.0,
    )
    service = figures.of(ONE, OURS, lambda cell: float(np.median(cell["served_ms"])))
    yield Demand(
        demand="p99 at 60 % load, in times of one caption at low load",
        figure=figures.median("texts at 60%", OURS, "text", "p99") / service,
        wanted="<= 4",
        bound=4.0,
    )


def above_tower(cell: Line) -> float:
    return float(np.median(cell["served_ms"]) - np.median(cell["tower_ms"]))


def isolation(figures: Figures) -> Iterator[Demand]:
    one_each = sum(figures.median(OFFLINE, OURS, name) for name in ("image_ms", "text_ms"))
    for scenario, noun in ((mixed.NAME, "bulk images"), (mixed.OVERLAPPING, "overlapping bulk")):
        ours = figures.median(scenario, OURS, "text", "p99")
        yield Demand(
            demand=f"text p99 beside {noun}, ms",
            figure=ours,
            wanted=f"<= one image and one text, {one_each:.1f}",
            bound=one_each,
        )
        for peer in figures.peers(scenario):
            if peer not in {OURS, ENGINE}:
                yield Demand(
                    demand=f"text p99 beside {noun}, times lower than {peer}",
                    figure=figures.median(scenario, peer, "text", "p99") / ours,
                    wanted=">= 5",
                    bound=5.0,
                    is_least=True,
                )


def cost(figures: Figures) -> Iterator[Demand]:
    ours = figures.median(SAME, OURS, "cores")
    yield Demand(
        demand=f"CPU at {SAME}, of that of {PLAIN}",
        figure=ours / figures.median(SAME, PLAIN, "cores"),
        wanted="<= 0.5",
        bound=0.5,
    )
    yield Demand(
        demand="cores of an idle service",
        figure=figures.worst("idle", OURS, "cores"),
        wanted="<= 0.001",
        bound=0.001,
    )


def flood(figures: Figures) -> Iterator[Demand]:
    name = overload.NAME
    yield Demand(
        demand="3x overload: p99 of accepted requests, ms",
        figure=figures.median(name, OURS, "flood", "p99"),
        wanted=f"<= {overload.BOUND_MS:.0f}",
        bound=overload.BOUND_MS,
    )
    yield Demand(
        demand="3x overload: p99 of 429 since the request was sent, ms",
        figure=figures.median(name, OURS, "flood", "refused_since_sent_ms", "p99"),
        wanted="<= 5",
        bound=5.0,
    )
    yield Demand(
        demand="3x overload: memory after, of that before",
        figure=figures.of(name, OURS, lambda cell: cell["mb_after"] / cell["mb_before"]),
        wanted="<= 1.05",
        bound=1.05,
    )
    yield Demand(
        demand="3x overload: p50 in the calm after it, above that before, ms",
        figure=figures.of(
            name, OURS, lambda cell: cell["calm_after"]["p50"] - cell["calm_before"]["p50"]
        ),
        wanted=f"<= {CALM_MS:.0f}",
        bound=CALM_MS,
    )
    yield Demand(
        demand="100,000 requests: memory after, of that before",
        figure=figures.of(soak.NAME, OURS, lambda cell: cell["after"]["mb"] / cell["before"]["mb"]),
        wanted="<= 1.05",
        bound=1.05,
    )
    yield Demand(
        demand="100,000 requests: descriptors more than before",
        figure=figures.of(
            soak.NAME, OURS, lambda c: c["after"]["descriptors"] - c["before"]["descriptors"]
        ),
        wanted="<= 0",
        bound=0.0,
    )


def life(figures: Figures) -> Iterator[Demand]:
    yield Demand(
        demand="s from start to ready",
        figure=figures.median("start", OURS, "ready_median_s"),
        wanted="<= 1.5",
        bound=1.5,
    )
    yield Demand(
        demand="SIGTERM under load: requests sent before it and not answered",
        figure=figures.worst("SIGTERM under load", OURS, "lost_of_accepted"),
        wanted="<= 0",
        bound=0.0,
    )
    same = {one.name for one in CONTENDERS if one.name in {OURS, ENGINE}}
    compared, wrong = figures.all_compared(same)
    yield Demand(
        demand=f"answers, of {compared:,}, not to the bit those of embed_texts, embed_images",
        figure=float(wrong) if compared else float("nan"),
        wanted="<= 0",
        bound=0.0,
    )  # fmt: skip
