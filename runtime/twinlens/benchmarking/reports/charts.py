"""Charts of a record: latencies, latency over rate, items a second by batch."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from twinlens.benchmarking.record import Result
from twinlens.benchmarking.reports.svg import Frame, axes, bar, ceiling, dot, line, svg, text

WIDE: Final = 560.0
HIGH: Final = 300.0
ROW: Final = 26.0
LEAST_MS: Final = 1e-4
"""The last digit of a time."""


def latency_strip(results: Sequence[Result]) -> str:
    """Draw each query's latencies from p50 to p99, with a mark at p90, on one logarithmic scale."""
    shown = [(r, r.quantiles) for r in results if r.quantiles is not None]
    low = math.floor(math.log10(max(LEAST_MS, min(quantiles.p50 for _, quantiles in shown))))
    high = math.ceil(math.log10(max(LEAST_MS, *(quantiles.p99 for _, quantiles in shown))))
    frame = Frame(
        width=WIDE, height=44 + ROW * len(shown), left=216, x_most=high - low or 1, y_most=1
    )

    def across(ms: float) -> float:
        return frame.x(math.log10(max(ms, 10.0**low)) - low)

    parts = []
    for power in range(low, high + 1):
        x = across(10.0**power)
        parts += [
            line([(x, 8), (x, frame.height - 34)], "grid"),
            text(x, frame.height - 18, f"{10.0**power:g}", kind="pale", anchor="middle"),
        ]
    for place, (result, found) in enumerate(shown):
        y = 12 + ROW * place
        words = f"p50 {found.p50:.3g} ms, p90 {found.p90:.3g}, p99 {found.p99:.3g}, n {found.n}"
        wide = across(found.p99) - across(found.p50)
        parts += [
            text(frame.left - 12, y + 14, label_of(result), anchor="end"),
            bar((across(found.p50), y + 3), (wide, 14), "two", words),
            bar((across(found.p50) - 2, y), (4, 20), "one", words),
            bar((across(found.p90) - 1, y + 3), (2, 14), "one", words),
        ]
    parts.append(
        text(frame.left, frame.height - 2, "ms, from p50 to p99; marked: p90", kind="pale")
    )
    return svg(parts, width=WIDE, height=frame.height, label="Latencies of single queries")


def label_of(result: Result) -> str:
    """Return a name short enough for a chart.

    >>> label_of(Result(scenario="mixed", name="mixed, texts beside bulk images", query="text"))
    'texts beside bulk images'
    """
    return result.name.removeprefix("mixed, ").partition(", k =")[0]


def cold_bars(parts_s: Mapping[str, float]) -> str:
    """Draw the parts of a cold start one behind the other, in seconds."""
    most = ceiling(sum(parts_s.values()))
    frame = Frame(
        width=WIDE, height=30 + ROW * len(parts_s), left=204, right=64, x_most=most, y_most=1
    )
    parts, begun = [], 0.0
    for place, (name, seconds) in enumerate(parts_s.items()):
        y, x = 6 + ROW * place, frame.x(begun)
        wide = frame.x(begun + seconds) - x
        parts += [
            text(frame.left - 12, y + 14, name, anchor="end"),
            bar((x, y + 2), (wide, 17), "one", f"{name}: {seconds:.3g} s"),
            text(x + wide + 8, y + 15, f"{seconds:.3g} s"),
        ]
        begun += seconds
    parts.append(text(frame.left, frame.height - 4, "one behind the other", kind="pale"))
    return svg(parts, width=WIDE, height=frame.height, label="Parts of a cold start")


def rate_curve(result: Result, *, bound_ms: float) -> str:
    """Draw p50 and p99 over the offered rate, and the bound."""
    points = [(p, p.quantiles) for p in result.rates if p.quantiles is not None]
    most_rate = max(point.offered for point, _ in points)
    tallest = max(bound_ms * 1.25, min(2 * bound_ms, max(q.p99 for _, q in points)))
    frame = Frame(width=WIDE, height=HIGH, x_most=ceiling(most_rate), y_most=tallest)
    parts = axes(frame, across="queries a second", up="ms")
    y = frame.y(bound_ms)
    parts += [
        line([(frame.left, y), (frame.width - frame.right, y)], "bound"),
        text(frame.left + 6, y - 6, f"bound {bound_ms:g} ms", kind="pale"),
    ]
    # Of one rate that was run twice, the longer run tells.
    by_rate = {p.offered: (p, q) for p, q in sorted(points, key=lambda pair: pair[1].n)}
    points = [by_rate[rate] for rate in sorted(by_rate)]
    held = [(p, q) for p, q in points if not p.cut]
    parts += [
        line([(frame.x(p.offered), frame.y(q.p99)) for p, q in held], "stroke-one"),
        line([(frame.x(p.offered), frame.y(q.p50)) for p, q in held], "stroke-two"),
    ]
    for point, quantiles in points:
        words = f"{point.offered:.4g}/s: p50 {quantiles.p50:.3g}, p99 {quantiles.p99:.3g} ms"
        state = "" if point.holds else ", over the bound"
        kind = "one" if point.holds else "hollow"
        parts.append(dot(frame.x(point.offered), frame.y(quantiles.p99), kind, words + state))
        if not point.cut:
            parts.append(dot(frame.x(point.offered), frame.y(quantiles.p50), "two", words))
    return svg(parts, width=WIDE, height=HIGH, label=f"{result.name}: latency over rate")


def batch_bars(pairs: Sequence[tuple[Result, Result | None]], *, noun: str) -> str:
    """Draw items a second by batch, whole calls beside those whose inputs were made ready."""
    rates = [r.items_per_s or 0 for pair in pairs for r in pair if r is not None]
    frame = Frame(
        width=WIDE, height=34 + 2 * ROW * len(pairs), left=64, right=80, x_most=max(rates), y_most=1
    )
    parts = []
    for place, pair in enumerate(pairs):
        top = 6 + 2 * ROW * place
        parts.append(text(frame.left - 12, top + 26, str(pair[0].items), anchor="end"))
        for below, result in enumerate(pair):
            if result is None or result.items_per_s is None:
                continue
            y = top + 20 * below
            wide = frame.x(result.items_per_s) - frame.left
            kind = ("one", "two")[below]
            words = f"{result.name}: {result.items_per_s:.4g} a second"
            parts += [
                bar((frame.left, y), (wide, 17), kind, words),
                text(frame.left + wide + 8, y + 13, figure(result.items_per_s)),
            ]
    parts.append(text(frame.left, frame.height - 4, f"{noun} a second, by batch", kind="pale"))
    return svg(parts, width=WIDE, height=frame.height, label=f"{noun} a second by batch")


def figure(value: float) -> str:
    """Return a number with three digits that count.

    >>> figure(12345.0), figure(0.01234)
    ('12,345', '0.0123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
