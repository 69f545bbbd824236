"""Report of the cells measured so far: this machine's results, and its tables in bench/README.md.

The first machine's are results/search.json and the tables marked `search`; another one's have its
name in both.
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.harness.machine import processor, versions
from bench.harness.readme_tables import has_table, write_tables
from bench.harness.results_file import one_row_a_line, place_of, three_digits
from bench.harness.timing import median_ratio

Line = dict[str, Any]

YARDSTICK = "faiss, best setting"
TERM_BYTES = 12
PACKAGES = (
    "faiss-cpu",
    "numpy",
    "torch",
    "usearch",
    "scikit-learn",
    "sentence-transformers",
)


def report(work: Path, clock: str = "wall") -> None:
    """Write the JSON, and its tables into bench/README.md.

    Args:
        work: The folder of the results log.
        clock: `wall`, or `cpu` for a machine that other work shares: the processor's time, of one
            thread only, where a quiet machine has the same on both.
    """
    lines = [json.loads(line) for line in (work / "cells.jsonl").open()]
    cells = [line for line in lines if "peer" in line]
    if clock == "cpu":
        cells = [cell | by_processor(cell) for cell in cells if cell["threads"] == 1]
    results = [summary(cell) for cell in cells]
    facts = {
        "question": "ms of exact cosine top-k, against every library that users would pick",
        "commits": sorted({cell["commit"] for cell in cells}),
        "processor": processor(),
        "clock": clock,
        "instructions": sorted({cell["ours_path"] for cell in cells}),
        "versions": versions(PACKAGES),
    }
    arrays = {
        "limits": [line for line in lines if "limits_of" in line and clock == "wall"],
        "faiss_tuned": [line for line in lines if "tuned_for" in line],
        "results": results,
        "against_the_limits": [against_limits(cell) for cell in cells if cell["peer"] == YARDSTICK],
    }
    disk = {
        part: json.loads(file.read_text())
        for part in ("memory", "cold")
        if (file := work / f"disk-{part}.json").exists()
    }
    text = one_row_a_line(facts | arrays | {"on_disk": disk})
    place = place_of("search", facts["processor"])
    place.write_text(text, encoding="utf-8")
    arrays["cold"] = disk.get("cold", [])
    shown = TABLES if clock == "wall" else {"faiss at its best": yardstick_table}
    write_tables(
        place.stem,
        {name: table(arrays) for name, table in shown.items() if has_table(place.stem, name)},
    )


def by_processor(cell: Line) -> Line:
    """Return the times of the processor for those of the wall, and no limits of the machine."""
    return {"wall_ms": cell["cpu_ms"], "ours_wall_ms": cell["ours_cpu_ms"], "limits": None}


def summary(cell: Line) -> Line:
    """Return the medians of one cell, and the errors of both contenders."""
    asked = {name: cell[name] for name in ("n", "width", "threads", "kind", "n_queries", "k")}
    return asked | {
        "peer": cell["peer"],
        "ms": median(cell["wall_ms"]),
        "cpu_ms": median(cell["cpu_ms"]),
        "twinlens_ms": median(cell["ours_wall_ms"]),
        "twinlens_cpu_ms": median(cell["ours_cpu_ms"]),
        "times_faster": round(median_ratio(cell["wall_ms"], cell["ours_wall_ms"]), 2),
        "rounds": len(cell["wall_ms"]),
        "recall": round(cell["found"]["recall"], 6),
        "same_ids_and_order": cell["found"]["same_ids_and_order"],
        "twinlens_recall": cell["ours_found"]["recall"],
        "twinlens_same_ids_and_order": cell["ours_found"]["same_ids_and_order"],
    }


def against_limits(cell: Line) -> Line:
    """Return bytes read and products a second of twinlens, and their shares of the limits."""
    limits, threads = cell["limits"], cell["threads"]
    padded = -(-cell["width"] // 64) * 64
    n_bytes = cell["n"] * (padded + TERM_BYTES)
    seconds = median(cell["ours_wall_ms"]) / 1e3
    found = {name: cell[name] for name in ("n", "width", "threads", "kind", "n_queries", "k")}
    found["gb_s"] = round(n_bytes / seconds / 1e9, 1)
    found["int8_gop_s"] = round(2 * cell["n_queries"] * cell["n"] * cell["width"] / seconds / 1e9)
    if limits is not None:
        in_cache = n_bytes <= 2e6 * limits["cached_mb"]
        speed = limits["cached_gb_s" if in_cache else "memory_gb_s"]
        kind = "amx" if cell["ours_path"] == "amx" else "vnni"
        peak = threads * limits[f"{kind}_gop_s_a_thread"]
        found["share_of_read_speed"] = round(found["gb_s"] / speed, 3)
        found["share_of_int8_peak"] = round(found["int8_gop_s"] / peak, 3)
    return found


def yardstick_table(arrays: dict[str, list[Line]]) -> Iterable[str]:
    """Yield the table of twinlens against faiss at its best setting."""
    yield "| N | D | threads | queries | Q | k=10 | k=100 | k=1000 |"
    yield "|---|---|---|---|---|---|---|---|"
    results = [line for line in arrays["results"] if line["peer"] == YARDSTICK]
    for setup in distinct(results, "n", "width", "threads", "kind", "n_queries"):
        same = [line for line in results if setup.items() <= line.items()]
        n, width, threads, kind, n_queries = setup.values()
        by_k = {line["k"]: ratio(line) for line in same}
        figures = [by_k.get(k, "") for k in (10, 100, 1000)]
        yield f"| {n:,} | {width} | {threads} | {kind} | {n_queries} | {' | '.join(figures)} |"


def ratio(line: Line) -> str:
    ours, theirs = three_digits(line["twinlens_ms"]), three_digits(line["ms"])
    return f"{ours} / {theirs} = **{line['times_faster']:.1f}x**"


def everyone_table(arrays: dict[str, list[Line]]) -> Iterable[str]:
    """Yield the table of all contenders at D=512, k=100."""
    yield "| k=100, D=512 | N | threads | Q=1 | Q=16 | Q=256 | worst recall |"
    yield "|---|---|---|---|---|---|---|"
    wanted = {"width": 512, "kind": "text", "k": 100}
    results = [line for line in arrays["results"] if wanted.items() <= line.items()]
    for setup in distinct(results, "n", "threads"):
        here = [line for line in results if setup.items() <= line.items()]
        ours = [line for line in here if line["peer"] == YARDSTICK]
        yield row("twinlens", setup, ours, "twinlens_")
        for peer in dict.fromkeys(line["peer"] for line in here):
            yield row(peer, setup, [line for line in here if line["peer"] == peer], "")


def row(name: str, setup: Line, lines: Sequence[Line], prefix: str) -> str:
    by_size = {line["n_queries"]: three_digits(line[prefix + "ms"]) for line in lines}
    times = " | ".join(by_size.get(n_queries, "") for n_queries in (1, 16, 256))
    recall = min((line[prefix + "recall"] for line in lines), default=float("nan"))
    return f"| {name} | {setup['n']:,} | {setup['threads']} | {times} | {recall:.6g} |"


def limits_table(arrays: dict[str, list[Line]]) -> Iterable[str]:
    """Yield the table of shares of the machine's limits."""
    yield "| N | D | threads | Q | GB/s of codes | of reading speed | int8 TOP/s | of int8 peak |"
    yield "|---|---|---|---|---|---|---|---|"
    for line in arrays["against_the_limits"]:
        if line["k"] == 10 and line["kind"] == "text":
            yield (
                f"| {line['n']:,} | {line['width']} | {line['threads']} | {line['n_queries']} | "
                f"{line['gb_s']} | {line.get('share_of_read_speed', 0):.0%} | "
                f"{line['int8_gop_s'] / 1e3:.2f} | {line.get('share_of_int8_peak', 0):.0%} |"
            )


def cold_table(arrays: dict[str, list[Line]]) -> Iterable[str]:
    """Yield the table of searches of an index on disk by the part that is not in memory."""
    yield "| index of 1,000,000 rows | not in memory | opened in ms | first search, ms | rounds |"
    yield "|---|---|---|---|---|"
    for line in arrays["cold"]:
        name = "with residual codes" if "residual" in line["index"] else "rows and codes"
        rounds = line["rounds"]
        times = (
            three_digits(statistics.median(one[field] for one in rounds))
            for field in ("open_ms", "search_ms")
        )
        yield f"| {name} | {line['not_in_memory']} | {' | '.join(times)} | {len(rounds)} |"


def distinct(lines: Iterable[Line], *names: str) -> list[Line]:
    """Return the distinct values of these names, ascending."""
    found = {tuple(line[name] for name in names) for line in lines}
    return [dict(zip(names, values, strict=True)) for values in sorted(found)]


def median(times: Sequence[float]) -> float:
    return round(statistics.median(times), 3)


TABLES = {
    "faiss at its best": yardstick_table,
    "everyone": everyone_table,
    "the machine's limits": limits_table,
    "cold storage": cold_table,
}
