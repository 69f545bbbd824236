"""Results as the Markdown tables of bench/README.md."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from bench.harness.results_file import three_digits
from bench.towers.cases import COMPARISONS, Comparison
from bench.towers.contenders import OURS, place

Line = dict[str, Any]

KINDS: Final = {"image": "images", "full-text": "texts of 77 tokens", "caption": "captions"}


def printed(document: Line) -> Iterator[str]:
    """Yield all tables, each below its title."""
    worst = {
        (line["model"], line["row"], modality): line[modality]["worst_cosine"]
        for line in document["accuracy"]
        for modality in ("image", "text")
        if modality in line
    }
    for comparison in COMPARISONS:
        for kind in KINDS:
            cases = [case for case in comparison.cases if case.rpartition("-")[0] == kind]
            lines = [
                line
                for line in document["results"]
                if line["model"] == comparison.model
                and line["threads"] == comparison.threads
                and line["cell"] in cases
            ]
            if lines:
                yield from speeds(comparison, kind, cases, lines, worst)
    yield from accuracy_table(document["accuracy"])
    yield from cold_table(document["cold_start"])
    yield from limits_table(document["limits"])


def speeds(
    comparison: Comparison,
    kind: str,
    cases: Sequence[str],
    lines: Sequence[Line],
    worst: dict[tuple[str, str, str], float],
) -> Iterator[str]:
    """Yield a row a contender: ms an item and times ours by batch, share of the peak at 32."""
    threads = f"{comparison.threads} thread{'s' if comparison.threads > 1 else ''}"
    heads = [f"batch {case.rpartition('-')[2]}" for case in cases]
    alone = f"{kind}-1"
    yield f"\n{comparison.model}, {KINDS[kind]}, {threads}: ms an item (times {OURS})\n"
    yield table_line([" ", *heads, "p99 of one", "of peak, batch 32", "worst cosine"])
    yield "|---" * (len(heads) + 4) + "|"
    by_row = rows_of(lines)
    modality = "image" if kind == "image" else "text"
    for row, found in by_row.items():
        share = found.get(f"{kind}-32", {})
        peak = f"{share['of_peak']:.0%} of {share['peak_of']}" if "of_peak" in share else ""
        late = three_digits(found[alone]["p99_call_ms"]) if alone in found else ""
        judged = row.partition(",")[0] if row.startswith("twinlens") else row
        cosine = worst.get((comparison.model, judged.replace(", padded to 77", ""), modality))
        told = f"{cosine:.5f}" if cosine is not None else ""
        yield table_line([row, *(figure(found.get(case)) for case in cases), late, peak, told])


def rows_of(lines: Sequence[Line]) -> dict[str, dict[str, Line]]:
    """Return the lines by row and case, the rows in one order for all tables."""
    found: dict[str, dict[str, Line]] = {}
    for line in sorted(lines, key=lambda line: place(line["row"])):
        found.setdefault(line["row"], {})[line["cell"]] = line
    return found


def figure(line: Line | None) -> str:
    if line is None:
        return ""
    ratio = f" ({line['times_ours']:.2f}x)" if "times_ours" in line else ""
    return f"{three_digits(line['ms'])}{ratio}"


def accuracy_table(lines: Sequence[Line]) -> Iterator[str]:
    yield "\nNearness to the original, and what batch mates change\n"
    heads = ("worst", "mean", "moved by the batch")
    titles = [f"{modality}: {head}" for modality in ("image", "text") for head in heads]
    yield table_line(["model", " ", *titles])
    yield "|---" * 8 + "|"
    for line in lines:
        cells = [line["model"], line["row"]]
        for modality in ("image", "text"):
            found = line.get(modality)
            cells += (
                [
                    f"{found['worst_cosine']:.5f}",
                    f"{found['mean_cosine']:.5f}",
                    f"{found['moved_by_batch']:.1e}" if found["moved_by_batch"] else "0",
                ]
                if found
                else [""] * 3
            )
        yield table_line(cells)


def cold_table(lines: Sequence[Line]) -> Iterator[str]:
    yield "\nFrom a fresh process to the first image and the first text, B32\n"
    yield table_line([" ", "wall s", "process s", "most MB", "MB afterwards", "of them its own"])
    yield "|---" * 6 + "|"
    for line in lines:
        figures = (line[key] for key in ("wall_s", "cpu_s", "peak_mb", "now_mb", "own_mb"))
        yield table_line([line["row"], *map(three_digits, figures)])


def limits_table(limits: dict[str, Line]) -> Iterator[str]:
    yield "\nThe best matrix products, 10^9 operations a second\n"
    yield table_line(["threads", "fp32", "bf16", "int8"])
    yield "|---" * 4 + "|"
    for threads, found in limits.items():
        best = [
            f"{max(found[form].values()):.0f} ({max(found[form], key=found[form].get)})"
            for form in ("fp32", "bf16", "int8")
        ]
        yield table_line([threads, *best])


def table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
