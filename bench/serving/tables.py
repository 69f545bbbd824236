"""Tables of bench/README.md."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from bench.harness.results_file import three_digits
from bench.harness.results_log import Line
from bench.serving.contenders import ENGINE, OURS
from bench.serving.demands import SAME, demands
from bench.serving.figures import Figures
from bench.serving.scenarios import awake, mixed, overload
from bench.serving.scenarios import seldom as seldom_asked
from bench.serving.scenarios.alone import NAME as ONE
from bench.serving.scenarios.alone import OFFLINE

KINDS: Final = ("text", "text", "image")
CORES: Final = 2
Table = Callable[[Figures], Iterator[str]]


def saturation(figures: Figures) -> Iterator[str]:
    """Yield items a second at saturation, beside the towers offline."""
    names = ("saturation, text", "saturation, 32 texts a request", "saturation, image")
    yield "|   | texts/s, one a request | texts/s, 32 a request | images/s |"
    yield "|---|---|---|---|"
    alone = [figures.median(OFFLINE, OURS, f"{kind}s_a_second") for kind in KINDS]
    yield row("towers offline, two threads", alone)
    for peer in figures.peers(names[0]):
        yield row(peer, [figures.median(name, peer, "items_a_second") for name in names])


def spent(figures: Figures) -> Iterator[str]:
    """Yield ms of CPU that an item costs at saturation: the service's, and the generator's."""
    names = ("saturation, text", "saturation, 32 texts a request", "saturation, image")
    yield "|   | text, one a request | text, 32 a request | image |"
    yield "|---|---|---|---|"
    offline = [figures.median(OFFLINE, OURS, f"{kind}s_a_second") for kind in KINDS]
    alone = [1e3 * CORES / rate for rate in offline]
    yield row("towers offline, two threads", alone)
    for peer in figures.peers(names[0]):
        yield row(peer, [_cpu_ms(figures, name, peer) for name in names])


def _cpu_ms(figures: Figures, scenario: str, peer: str) -> str:
    rate = figures.median(scenario, peer, "items_a_second")
    parts = [figures.median(scenario, peer, "cores")]
    if peer != ENGINE:  # which holds the generator
        wall = figures.median(scenario, peer, "wall_s")
        parts.append(figures.median(scenario, peer, "own_cpu_s") / wall)
    return "" if np.isnan(rate) else " + ".join(f"{1e3 * part / rate:.2f}" for part in parts)


def loads(figures: Figures) -> Iterator[str]:
    """Yield p50 / p99 at shares of each service's own saturation."""
    names = [(f"texts at {part}%", "text") for part in (10, 30, 60, 90)]
    names += [(f"images at {part}%", "image") for part in (30, 60)]
    yield "|   | " + " | ".join(name for name, _ in names) + f" | {SAME}, cores |"
    yield "|---|" + "---|" * (len(names) + 1)
    for peer in figures.peers("texts at 60%"):
        cells = [pair(figures, name, peer, kind) for name, kind in names]
        same = f"{pair(figures, SAME, peer, 'text')}, {figures.median(SAME, peer, 'cores'):.2f}"
        yield "| " + " | ".join([peer, *cells, same]) + " |"


def beside(figures: Figures) -> Iterator[str]:
    """Yield text latencies beside bulk requests, and that of the bulk requests."""
    yield "|   | texts p50 / p99 | 32 images p50 / p99 | cores | overlapping: texts | 32 images |"
    yield "|---|---|---|---|---|---|"
    for peer in figures.peers(mixed.NAME):
        apart, overlapping = (
            [pair(figures, name, peer, kind) for kind in ("text", "bulk")] for name in mixed.BULK
        )
        cores = f"{figures.median(mixed.NAME, peer, 'cores'):.2f}"
        yield row(peer, [*apart, cores, *overlapping])


def floods(figures: Figures) -> Iterator[str]:
    """Yield what becomes of three times the load."""
    yield "|   | answered, p50 / p99 | refused, p50 / p99 | own MB before, after | p50 then |"
    yield "|---|---|---|---|---|"
    name = overload.NAME
    for peer in figures.peers(name):
        refused = [
            figures.median(name, peer, "flood", "refused_since_sent_ms", p) for p in ("p50", "p99")
        ]
        yield row(
            peer,
            [
                pair(figures, name, peer, "flood"),
                "none" if np.isnan(refused[0]) else slashed(refused),
                ", ".join(
                    f"{figures.median(name, peer, mb):.0f}" for mb in ("mb_before", "mb_after")
                ),
                ", ".join(
                    three_digits(figures.median(name, peer, part, "p50"))
                    for part in ("calm_before", "calm_after")
                ),
            ],
        )


def seldom(figures: Figures) -> Iterator[str]:
    """Yield latencies of a request a second, and of one caption every 20 ms."""
    name = seldom_asked.NAME
    yield "|   | a caption every 20 ms | a text a second: p50 / p99 | an image a second |"
    yield "|---|---|---|---|"
    for peer in figures.peers(name):
        caption = figures.of(ONE, peer, lambda cell: float(np.median(cell["served_ms"])))
        texts, images = (
            slashed([figures.of(name, peer, quantile_of(kind, part)) for part in (0.5, 0.99)])
            for kind in ("text_ms", "image_ms")
        )
        yield row(peer, [caption, texts, images])


def kept_awake(figures: Figures) -> Iterator[str]:
    """Yield what calls in between do for the next request."""
    yield "|   | text p50 / p99 | image p50 / p99 | cores |"
    yield "|---|---|---|---|"
    for name in filter(figures.peers, (awake.ASLEEP, awake.AWAKE)):
        cells = [pair(figures, name, OURS, kind) for kind in ("text", "image")]
        yield row(f"{OURS}, {name}", [*cells, decimals(figures.median(name, OURS, "cores"), 3)])


def lives(figures: Figures) -> Iterator[str]:
    """Yield start, memory, idle CPU and end."""
    yield "|   | s to ready | first text, image, ms | own MB then | idle, cores | lost at SIGTERM |"
    yield "|---|---|---|---|---|---|"
    for peer in figures.peers("start"):
        firsts = [figures.median("start", peer, f"first_{kind}_ms") for kind in ("text", "image")]
        yield row(
            peer,
            [
                f"{figures.median('start', peer, 'ready_median_s'):.2f}",
                ", ".join(map(three_digits, firsts)),
                f"{figures.median('start', peer, 'mb'):.0f}",
                decimals(figures.worst("idle", peer, "cores"), 3),
                decimals(figures.worst("SIGTERM under load", peer, "lost_of_accepted"), 0),
            ],
        )


def demanded(figures: Figures) -> Iterator[str]:
    """Yield the demands and their figures."""
    yield "| demand | wanted | measured |   |"
    yield "|---|---|---|---|"
    for line in demands(figures):
        passed = "met" if line["passes"] else "**missed**"
        if line["figure"] is None:
            yield row(line["demand"], [line["wanted"], "not measured", ""])
        else:
            yield row(line["demand"], [line["wanted"], f"{line['figure']:.3g}", passed])


def quantile_of(name: str, part: float) -> Callable[[Line], float]:
    return lambda cell: float(np.quantile(cell[name]["all"], part))


def pair(figures: Figures, scenario: str, peer: str, kind: str) -> str:
    return slashed([figures.median(scenario, peer, kind, part) for part in ("p50", "p99")])


def slashed(values: list[float]) -> str:
    return "" if np.isnan(values[0]) else " / ".join(map(three_digits, values))


def row(name: str, cells: list[float | str]) -> str:
    texts = [cell if isinstance(cell, str) else number(cell) for cell in cells]
    return "| " + " | ".join([name, *texts]) + " |"


def decimals(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def number(value: float) -> str:
    return "" if np.isnan(value) else three_digits(value)


TABLES: Final[Mapping[str, Table]] = {
    "demands": demanded,
    "saturation": saturation,
    "spent": spent,
    "loads": loads,
    "beside bulk": beside,
    "overload": floods,
    "seldom": seldom,
    "awake": kept_awake,
    "lives": lives,
}
