"""Records and comparisons of benchmarks as lines of a terminal."""

from twinlens.benchmarking.comparison.verdict import Comparison
from twinlens.benchmarking.measures.bootstrap import Ratio
from twinlens.benchmarking.record import Record, Result
from twinlens.benchmarking.reports.charts import figure
from twinlens.benchmarking.reports.facts import facts
from twinlens.commands.printing.table import Table


def record_lines(record: Record) -> list[str]:
    """Return the figures of a run, and its circumstances."""
    head = ("", "n", "p50 ms", "p90", "p99", "a second", "CPU ms an item", "cosine", "valid")
    table = Table(head=head, labels=1)
    table.rows.extend(_row(result) for result in record.results)
    reasons = [f"{r.name}: {r.reason}" for r in record.results if r.reason is not None]
    interrupted = ["interrupted: this is what was known by then"] if record.partial else []
    return [
        *interrupted,
        *(f"{name}: {value}" for name, value in facts(record)),
        "",
        *table.lines(),
        *(
            ["", "not valid, or left out:", *(f"  {reason}" for reason in reasons)]
            if reasons
            else []
        ),
    ]


def comparison_lines(found: Comparison) -> list[str]:
    """Return the ratios of a comparison, with their intervals."""
    table = Table(head=("", "CPU time", "", "wall time", "", "blocks", "verdict"), labels=1)
    for row in found.rows:
        cells = (*_ratio(row.cpu), *_ratio(row.wall), str(row.blocks), row.verdict)
        table.rows.append((row.name, *cells))
    level = "99 %" if found.paired else "95 %"
    manner = "in turn" if found.paired else "of two runs"
    cosine = "" if found.worst_cosine is None else f"; smallest cosine {found.worst_cosine:.6f}"
    verdict = (
        f"slower by more than {100 * found.share:g} %"
        if found.is_slower
        else f"nothing is slower by more than {100 * found.share:g} %"
    )
    return [
        f"{found.second} over {found.first}, {manner}: ratios with {level} intervals{cosine}",
        *(f"differs: {note}" for note in found.notes),
        *table.lines(),
        *(["interrupted: this is what was known by then"] if found.partial else []),
        verdict,
    ]


def _row(result: Result) -> tuple[str, ...]:
    q = result.quantiles
    times = ("", "", "", "") if q is None else (f"{q.n}", *map(figure, (q.p50, q.p90, q.p99)))
    known = [
        "" if value is None else figure(value)
        for value in (result.items_per_s, result.cpu_ms_per_item)
    ]
    cosine = "" if result.worst_cosine is None else f"{result.worst_cosine:.5f}"
    return (result.name, *times, *known, cosine, "yes" if result.valid else "no")


def _ratio(ratio: Ratio | None) -> tuple[str, str]:
    if ratio is None:
        return "", ""
    return f"{ratio.value:.3f}", f"{ratio.low:.3f}-{ratio.high:.3f}"
