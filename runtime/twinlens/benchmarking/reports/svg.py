"""Charts as SVG that follow the colours of their page, light or dark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

Point = tuple[float, float]
TICKS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Plot area in px, and the numbers that it spans; both axes begin at `low`."""

    width: float
    height: float
    left: float = 64
    top: float = 16
    right: float = 20
    bottom: float = 40
    x_most: float
    y_most: float

    def x(self, value: float) -> float:
        """Return the place of a number across."""
        return self.left + (self.width - self.left - self.right) * value / self.x_most

    def y(self, value: float) -> float:
        """Return the place of a number upwards; one beyond the edge is at the edge."""
        inner = self.height - self.top - self.bottom
        return self.top + inner * (1 - min(value, self.y_most) / self.y_most)


def round_up(value: float) -> float:
    """Return the next number of 1, 2, 5 times a power of ten.

    >>> round_up(37)
    50.0
    """
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 < value:
        power *= 10
    return next(power * step for step in (*TICKS, 10) if power * step >= value * (1 - 1e-9))


def ticks(most: float) -> list[float]:
    """Return four to six round numbers from 0 to the largest."""
    step = round_up(most / 5)
    return [step * n for n in range(int(most / step * (1 + 1e-9)) + 1)]


def ceiling(value: float) -> float:
    """Return the end of an axis: the next multiple of its ticks.

    >>> ceiling(1020)
    1500.0
    """
    step = round_up(value / 5)
    return step * math.ceil(value / step * (1 - 1e-9))


def svg(parts: Iterable[str], *, width: float, height: float, label: str) -> str:
    """Return a drawing that shrinks with its column."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg {size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> str:
    """Return a text; its class gives the colour."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def line(points: Sequence[Point], kind: str) -> str:
    """Return a line through points."""
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{drawn}"/>'


def dot(x: float, y: float, kind: str, title: str) -> str:
    """Return a point with words for those who point at it."""
    place = f'cx="{x:.1f}" cy="{y:.1f}"'
    return f'<circle class="{kind}" {place} r="4"><title>{escape(title)}</title></circle>'


def bar(corner: Point, size: Point, kind: str, title: str = "") -> str:
    """Return a bar of a width and a height, from its upper left corner."""
    words = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{corner[0]:.1f}" y="{corner[1]:.1f}"'
    sides = f'width="{max(size[0], 0.5):.1f}" height="{size[1]:.1f}"'
    return f'<rect class="{kind}" {place} {sides} rx="3">{words}</rect>'


def axes(frame: Frame, *, across: str, up: str) -> list[str]:
    """Return the grid, its numbers, and the names of both axes."""
    parts = []
    for tick in ticks(frame.y_most):
        y = frame.y(tick)
        parts += [
            line([(frame.left, y), (frame.width - frame.right, y)], "grid"),
            text(frame.left - 8, y + 4, f"{tick:g}", kind="pale", anchor="end"),
        ]
    for tick in ticks(frame.x_most):
        parts.append(
            text(frame.x(tick), frame.height - 22, f"{tick:g}", kind="pale", anchor="middle")
        )
    middle = (frame.left + frame.width - frame.right) / 2
    return [
        *parts,
        text(middle, frame.height - 4, across, kind="pale", anchor="middle"),
        text(8, 11, up, kind="pale"),
    ]
