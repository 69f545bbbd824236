"""Page of a record: one HTML file with inline drawings, without a script or another file."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final

from twinlens.benchmarking.record import Record, Result
from twinlens.benchmarking.reports.charts import (
    batch_bars,
    cold_bars,
    figure,
    latency_strip,
    rate_curve,
)
from twinlens.benchmarking.reports.page_tables import accuracy_table, facts_list, figures_table
from twinlens.benchmarking.scenarios.cold import NAME as COLD
from twinlens.benchmarking.scenarios.pace import NAME as PACE

STYLE: Final = Path(__file__).with_name("page.css")
ALONE: Final = ("single", "mixed", "search")
"""Scenarios whose latencies stand together."""
COLD_PARTS: Final = {
    "import_s": "import twinlens",
    "load_s": "load",
    "first_image_s": "first image",
    "first_text_s": "first text",
}
READY: Final = {"image": "pixels", "text": "tokens"}
"""Query whose inputs are made ready before, of each query of `offline`."""


def page(record: Record) -> str:
    """Return the page of a record."""
    title = f"twinlens bench {record.target.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_summary(record))}</p>",
        *_warnings(record),
        *_tiles(record),
        *_single(record),
        *_server(record),
        *_offline(record),
        *figures_table(record),
        *accuracy_table(record),
        *facts_list(record),
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE.read_text('utf-8')}</style></head><body><main>",
            *parts,
            "</main></body></html>\n",
        ]
    )


def _summary(record: Record) -> str:
    target = record.target
    known = (target.source, target.precision, target.device, target.operators)
    threads = f"{target.threads} threads" if target.threads else ""
    words = [word for word in (*known, threads) if word]
    return f"{', '.join(words)}; {record.machine.processor}; {record.started}"


def _warnings(record: Record) -> Iterable[str]:
    if record.partial:
        yield '<p class="warn">This run was interrupted: it has what was known by then.</p>'
    others = (record.neighbours.others or 0) + (record.neighbours.steal or 0)
    if others > 0.1:
        yield (
            f'<p class="warn">The machine was not ours alone: {escape(record.neighbours.words)}. '
            "Times are longer than they would be.</p>"
        )


def _tiles(record: Record) -> Iterable[str]:
    tiles = []
    for name, words in (("one image", "ms an image, p90"), ("one text", "ms a text, p90")):
        found = record.found(name)
        if found is not None and found.quantiles is not None:
            tiles.append((figure(found.quantiles.p90), words))
    for query in ("image", "text"):
        rates = [
            r.items_per_s for r in record.results if r.scenario == "offline" and r.query == query
        ]
        if best := max((rate for rate in rates if rate), default=0):
            tiles.append((figure(best), f"{query}s a second, offline"))
    for result in record.results:
        if result.scenario == "server" and result.items_per_s is not None:
            state = "" if result.valid else " (not VALID)"
            words = (
                f"{result.query}s a second with p99 within {record.settings.bound_ms:g} ms{state}"
            )
            tiles.append((figure(result.items_per_s), words))
    worst = [result.worst_cosine for result in record.results if result.query in ("image", "text")]
    if known := [cosine for cosine in worst if cosine is not None]:
        tiles.append((f"{min(known):.5f}", "smallest cosine with the reference"))
    if tiles:
        drawn = (
            f"<div class=tile><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in tiles
        )
        yield f'<div class="tiles">{"".join(drawn)}</div>'


def _single(record: Record) -> Iterable[str]:
    found = [
        r for r in record.results
        if r.quantiles is not None and r.scenario in ALONE and r.name != PACE
    ]  # fmt: skip
    if found:
        cards = _card("Latency", latency_strip(found)) + _cold(record)
        yield "<h2>One at a time</h2><p>The next query is asked when the last one is answered.</p>"
        yield f'<div class="cards">{cards}</div>'


def _cold(record: Record) -> str:
    found = record.found(COLD)
    if found is None or found.notes is None:
        return ""
    notes = found.notes
    parts = {words: notes[name] for name, words in COLD_PARTS.items() if name in notes}
    memory = f"; {notes['most_mb']:.0f} MB at most" if "most_mb" in notes else ""
    words = f"{notes['cpu_s']:.2f} s of CPU{memory}"
    return _card("From a fresh process", cold_bars(parts), words=words) if parts else ""


def _server(record: Record) -> Iterable[str]:
    found = [r for r in record.results if r.scenario == "server" and _drawn(r)]
    if not found:
        return
    yield "<h2>Server</h2>"
    yield (
        "<p>Queries arrive by chance, whether or not earlier ones are answered; a latency counts "
        "from the scheduled arrival. Hollow: over the bound.</p><div class=cards>"
    )
    for result in found:
        drawn = rate_curve(result, bound_ms=record.settings.bound_ms)
        lag = (result.notes or {}).get("lag_p99_ms", 0.0)
        late = (
            f"; the generator was late itself, {lag:.1f} ms at p99, which counts" if lag > 1 else ""
        )
        words = (result.reason or "VALID by MLPerf's early stopping") + late
        yield _card(result.name.removeprefix("server, "), drawn, _legend("p99", "p50"), words)
    yield "</div>"


def _drawn(result: Result) -> bool:
    return any(point.quantiles is not None for point in result.rates)


def _offline(record: Record) -> Iterable[str]:
    cards = []
    for query, ready in READY.items():
        results = [r for r in record.results if r.scenario == "offline" and r.items_per_s]
        by_items = {r.items: r for r in results if r.query == ready}
        pairs = [(r, by_items.get(r.items)) for r in results if r.query == query]
        if pairs:
            noun = f"{query}s"
            act = "decoded" if query == "image" else "tokenized"
            legend = _legend("whole call", f"{act} before" if by_items else "")
            cards.append(_card(noun, batch_bars(pairs, noun=noun), legend))
    if cards:
        yield '<h2>Offline</h2><p>As many as there are at once.</p><div class="cards">'
        yield from cards
        yield "</div>"


def _card(title: str, drawn: str, legend: str = "", words: str = "") -> str:
    told = f"<p>{escape(words)}</p>" if words else ""
    return f'<div class="card"><h3>{escape(title)}</h3>{drawn}{legend}{told}</div>'


def _legend(*names: str) -> str:
    kinds = ("one", "two")
    drawn = (
        f'<i class="{kind}"></i>{escape(name)}'
        for kind, name in zip(kinds, names, strict=False)
        if name
    )
    return f'<div class="legend">{"".join(drawn)}</div>'
