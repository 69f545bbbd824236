"""Charts of an evaluation as SVG: reliability diagram, score histogram, retrieval by precision."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from twinlens.metrics.bootstrap import Estimate
from twinlens.metrics.reliability import Diagram, Histograms, Reliability
from twinlens.metrics.retrieval import MEASURES, Retrieval

CARD: Final = "#ffffff"
INK: Final = "#202124"
PALE: Final = "#6d7076"
TRACK: Final = "#e4e3de"
GREEN: Final = "#2e7d5e"
"""Calibrated, or matching."""
AMBER: Final = "#c9722b"
"""Its baseline, or not matching. The two colours also differ in lightness."""
BLUE: Final = "#3b5f9e"

WIDTH_PX: Final = 440
LEFT_PX: Final = 58
RIGHT_PX: Final = 20
PLOT_PX: Final = WIDTH_PX - LEFT_PX - RIGHT_PX

FONTS: Final = "system-ui, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif"
STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

COLOURS: Final = (INK, BLUE, GREEN, AMBER)
"""Colours of several precisions, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Plot area in pixels, and the numbers that it spans."""

    top: float
    height: float
    low: float = 0.0
    high: float = 1.0
    most: float = 1.0
    """Number at the upper edge; 0 is at the lower one."""

    def x(self, value: float) -> float:
        return LEFT_PX + PLOT_PX * (value - self.low) / (self.high - self.low)

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextStyle:
    """Style of a text."""

    size_px: int = 12
    weight: int = 400
    anchor: str = "start"
    turn: int = 0
    """Degrees, clockwise."""


WORDS: Final = _TextStyle()
TITLE: Final = _TextStyle(size_px=16, weight=600)
CENTRED: Final = _TextStyle(anchor="middle")
TO_THE_RIGHT: Final = _TextStyle(anchor="end")
UPWARD: Final = _TextStyle(anchor="middle", turn=-90)
ALONG: Final = _TextStyle(anchor="middle", turn=-45)
TICK: Final = _TextStyle(size_px=11, anchor="middle")
TICK_BESIDE: Final = _TextStyle(size_px=11, anchor="end")


def reliability_diagram(reliability: Reliability, *, title: str) -> str:
    """Draw the share of matches by probability, calibrated and as (1 + cosine) / 2.

    On the diagonal, probabilities are calibrated. Bars are 95 % intervals; below is the histogram
    of the probabilities.
    """
    frame = _Frame(top=108, height=PLOT_PX)
    strip = _Frame(top=frame.top + PLOT_PX + 22, height=56)
    parts = [
        *_heading(title, _counted(reliability)),
        *_grid(frame, ticks=(0, 0.25, 0.5, 0.75, 1)),
        _line([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))], PALE, width=1, dashes="4 4"),
        _text(frame.x(0.8) + 8, frame.y(0.8) + 14, "means what it says", PALE, ALONG),
        *_points(frame, reliability.half_cosine.diagram, AMBER, hollow=True),
        *_points(frame, reliability.calibrated.diagram, GREEN, hollow=False),
        *_legend(
            74,
            [
                (GREEN, f"calibrated: ECE {reliability.calibrated.ece.value:.3f}"),
                (AMBER, f"(1 + cos) / 2: ECE {reliability.half_cosine.ece.value:.3f}"),
            ],
            step=190,
        ),
        _text(16, frame.y(0.5), "share that matches", PALE, UPWARD),
        *_bars(strip, reliability.probabilities),
        _text(frame.x(0.5), strip.top + 88, "probability given", PALE, CENTRED),
        *(
            _text(strip.x(tick), strip.top + 70, f"{tick:g}", PALE, TICK)
            for tick in (0, 0.25, 0.5, 0.75, 1)
        ),
    ]
    return _svg(parts, height=strip.top + 100, label=title)


def score_histogram(reliability: Reliability, *, title: str) -> str:
    """Draw the raw cosines of matching and other pairs: the less overlap, the better."""
    scores = reliability.cosines
    frame = _Frame(top=94, height=150, low=scores.edges[0], high=scores.edges[-1])
    parts = [
        *_heading(title, f"AUC {reliability.cosine_auc.value:.4f}"),
        *_bars(frame, scores),
        *_legend(74, [(GREEN, "matching"), (AMBER, "others")]),
        *(
            _text(frame.x(tick), frame.top + 168, f"{tick:g}", PALE, TICK)
            for tick in _ticks(frame.low, frame.high)
        ),
        _text(frame.x((frame.low + frame.high) / 2), frame.top + 188, "cosine", PALE, CENTRED),
    ]
    return _svg(parts, height=frame.top + 200, label=title)


def retrieval_chart(retrievals: Mapping[str, Retrieval], *, title: str) -> str:
    """Draw each retrieval measure with its 95 % interval, one precision below the other."""
    step = 16 * len(retrievals) + 14
    frame = _Frame(top=64, height=step * len(MEASURES))
    left, wide = 176.0, WIDTH_PX - 176.0 - RIGHT_PX
    one = next(iter(retrievals.values()))
    parts = _heading(title, f"{one.queries} queries, {one.candidates} candidates")
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = left + wide * tick
        bottom = frame.top + frame.height
        parts += [
            _line([(x, frame.top), (x, bottom)], TRACK, width=1),
            _text(x, bottom + 18, f"{tick:g}", PALE, TICK),
        ]
    for place, (name, words) in enumerate(MEASURES.items()):
        top = frame.top + place * step
        parts.append(_text(left - 14, top + step / 2 + 4, words, INK, TO_THE_RIGHT))
        for row, (colour, retrieval) in enumerate(
            zip(_colours(retrievals), retrievals.values(), strict=True)
        ):
            parts += _whisker(retrieval.figures[name], colour, left, wide, top + 15 + 16 * row)
    names = list(zip(_colours(retrievals), retrievals, strict=True))
    parts += _legend(frame.top + frame.height + 44, names, x=left - 4)
    return _svg(parts, height=frame.top + frame.height + 58, label=title)


def _colours(names: Iterable[str]) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place, _ in enumerate(names)]


def _whisker(figure: Estimate, colour: str, left: float, wide: float, y: float) -> list[str]:
    ends = [(left + wide * end, y) for end in (figure.low, figure.high)]
    return [_line(ends, colour, width=2, opacity=0.45), _dot(left + wide * figure.value, y, colour)]


def _counted(reliability: Reliability) -> str:
    return (
        f"{reliability.pairs} pairs of {reliability.images} images, "
        f"{reliability.base_rate:.0%} of them matching"
    )


def _heading(title: str, words: str) -> list[str]:
    return [
        _text(20, 30, title, INK, TITLE),
        _text(20, 49, words, PALE),
    ]


def _grid(frame: _Frame, *, ticks: Sequence[float]) -> list[str]:
    parts = []
    for tick in ticks:
        y = frame.y(tick)
        parts += [
            _line([(frame.x(0), y), (frame.x(1), y)], TRACK, width=1),
            _line([(frame.x(tick), frame.y(0)), (frame.x(tick), frame.y(1))], TRACK, width=1),
            _text(LEFT_PX - 8, y + 4, f"{tick:g}", PALE, TICK_BESIDE),
        ]
    return parts


def _points(frame: _Frame, diagram: Diagram, colour: str, *, hollow: bool) -> list[str]:
    places = [
        (frame.x(p), frame.y(share.value))
        for p, share in zip(diagram.probabilities, diagram.shares, strict=True)
    ]
    parts = [_line(places, colour, width=1.5, opacity=0.5)]
    for (x, y), share in zip(places, diagram.shares, strict=True):
        ends = [(x, frame.y(share.low)), (x, frame.y(share.high))]
        parts.append(_line(ends, colour, width=1.5, opacity=0.6))
        parts.append(_dot(x, y, colour, hollow=hollow))
    return parts


def _bars(frame: _Frame, scores: Histograms) -> list[str]:
    """Draw two overlaid histograms, each as shares of its own class."""
    parts = [_line([(LEFT_PX, frame.y(0)), (LEFT_PX + PLOT_PX, frame.y(0))], PALE, width=1)]
    shares = [
        [count / max(1, sum(counts)) for count in counts]
        for counts in (scores.others, scores.matching)
    ]
    most = max(max(row) for row in shares) or 1
    for row, colour in zip(shares, (AMBER, GREEN), strict=True):
        places = [(frame.x(scores.edges[0]), frame.y(0))]
        for place, share in enumerate(row):
            y = frame.y(share / most)
            places += [(frame.x(scores.edges[place]), y), (frame.x(scores.edges[place + 1]), y)]
        places.append((frame.x(scores.edges[-1]), frame.y(0)))
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polygon points="{drawn}" fill="{colour}" fill-opacity="0.45" stroke="{colour}"/>'
        )
    return parts


def _legend(
    y: float, rows: Sequence[tuple[str, str]], *, x: float = 20, step: float = 84
) -> list[str]:
    """Draw the legend of the colours, side by side."""
    parts = []
    for place, (colour, words) in enumerate(rows):
        here = x + step * place
        parts += [_dot(here + 4, y - 4, colour), _text(here + 14, y, words, INK)]
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between the ends, at most six."""
    step = next((s for s in STEPS if (high - low) / s <= 6), STEPS[-1])
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + place) * step, 6) for place in range(count)]


def _dot(x: float, y: float, colour: str, *, hollow: bool = False) -> str:
    paint = f'fill="{CARD if hollow else colour}" stroke="{colour}" stroke-width="1.5"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {paint}/>'


def _line(
    places: Sequence[tuple[float, float]],
    colour: str,
    *,
    width: float,
    opacity: float = 1,
    dashes: str = "none",
) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return (
        f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-dasharray="{dashes}"/>'
    )


def _text(x: float, y: float, words: str, colour: str, style: _TextStyle = WORDS) -> str:
    turn = f' transform="rotate({style.turn} {x:.1f} {y:.1f})"' if style.turn else ""
    font = f'font-size="{style.size_px}" font-weight="{style.weight}"'
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{style.anchor}"{turn}'
    return f'<text {place} fill="{colour}" {font}>{escape(words)}</text>'


def _svg(parts: Sequence[str], *, height: float, label: str) -> str:
    size = f'viewBox="0 0 {WIDTH_PX} {height:.0f}" width="{WIDTH_PX}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label)}"'
    paper = f'<rect width="{WIDTH_PX}" height="{height:.0f}" rx="10" fill="{CARD}"/>'
    return "\n".join([f'{head} font-family="{FONTS}">', paper, *parts, "</svg>"])
