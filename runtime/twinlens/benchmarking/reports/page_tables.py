"""Tables of a page: every figure, its nearness to the reference, and the circumstances."""

from collections.abc import Iterable
from html import escape

from twinlens.benchmarking.record import Record, Result
from twinlens.benchmarking.reports.charts import figure
from twinlens.benchmarking.reports.facts import facts
from twinlens.benchmarking.scenarios.pace import NAME as PACE


def figures_table(record: Record) -> Iterable[str]:
    """Yield the table of every result, the reasons of those that are not VALID beside them."""
    head = ("", "n", "p50 ms", "p90", "p99", "a second", "CPU ms an item", "cosine", "")
    yield "<h2>Every figure</h2>"
    yield "<p>A cosine of a search is the share of its hits that are the true ones.</p>"
    names = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    yield f'<div class="card"><table><tr>{names}</tr>'
    for result in record.results:
        q = result.quantiles
        numbers = (
            ["", "", "", ""] if q is None else [f"{q.n:,}", *map(figure, (q.p50, q.p90, q.p99))]
        )
        cells = [
            result.name,
            *numbers,
            _known(result.items_per_s),
            _known(result.cpu_ms_per_item),
            "" if result.worst_cosine is None else f"{result.worst_cosine:.5f}",
        ]
        last = (
            f'<td class="reason">{escape(result.reason)}</td>' if result.reason else _good(result)
        )
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}{last}</tr>"
    yield "</table></div>"


def _good(result: Result) -> str:
    judged = result.scenario in ("single", "server", "mixed") and result.name != PACE
    return '<td class="good">VALID</td>' if judged else "<td></td>"


def accuracy_table(record: Record) -> Iterable[str]:
    """Yield the table of cosines."""
    if record.accuracy:
        yield "<h2>Nearness to the reference</h2><div class='card'><table>"
        yield "<tr><th></th><th>worst</th><th>mean</th><th>samples</th><th>reference</th></tr>"
        for name, found in record.accuracy.items():
            yield (
                f"<tr><td>{escape(name)}</td><td>{found.worst:.6f}</td><td>{found.mean:.6f}</td>"
                f"<td>{found.samples}</td><td>{escape(found.reference)}</td></tr>"
            )
        yield "</table></div>"


def facts_list(record: Record) -> Iterable[str]:
    """Yield the circumstances."""
    yield f'<h2>This run</h2><div class="card"><dl>{"".join(map(_fact, facts(record)))}</dl></div>'


def _fact(pair: tuple[str, str]) -> str:
    return f"<dt>{escape(pair[0])}</dt><dd>{escape(pair[1])}</dd>"


def _known(value: float | None) -> str:
    return "" if value is None else figure(value)
