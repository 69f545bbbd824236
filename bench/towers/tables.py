"""The results as the Markdown tables of bench/README.md."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from bench.towers.cases import FIELDS, Field
from bench.towers.contenders import OURS, place

Line = dict[str, Any]

KINDS: Final = {"image": "images", "full-text": "texts of 77 tokens", "caption": "captions"}


def printed(document: Line) -> Iterator[str]:
    """All tables, each below its title."""
    worst = {
        (line["model"], line["row"], side): line[side]["worst_cosine"]
        for line in document["accuracy"]
        for side in ("image", "text")
        if side in line
    }
    for field in FIELDS:
        for kind in KINDS:
            cells = [cell for cell in field.cells if cell.rpartition("-")[0] == kind]
            lines = [
                line
                for line in document["results"]
                if line["model"] == field.model
                and line["threads"] == field.threads
                and line["cell"] in cells
            ]
            if lines:
                yield from speeds(field, kind, cells, lines, worst)
    yield from accuracy_table(document["accuracy"])
    yield from cold_table(document["cold_start"])
    yield from limits_table(document["limits"])


def speeds(
    field: Field,
    kind: str,
    cells: Sequence[str],
    lines: Sequence[Line],
    worst: dict[tuple[str, str, str], float],
) -> Iterator[str]:
    """A row a contender: ms an item and times ours, for each batch; share of the peak at 32."""
    threads = f"{field.threads} thread{'s' if field.threads > 1 else ''}"
    heads = [f"batch {cell.rpartition('-')[2]}" for cell in cells]
    alone = f"{kind}-1"
    yield f"\n{field.model}, {KINDS[kind]}, {threads}: ms an item (times {OURS})\n"
    yield table_line([" ", *heads, "p99 of one", "of peak, batch 32", "worst cosine"])
    yield "|---" * (len(heads) + 4) + "|"
    by_row = rows_of(lines)
    side = "image" if kind == "image" else "text"
    for row, found in by_row.items():
        share = found.get(f"{kind}-32", {})
        peak = f"{share['of_peak']:.0%} of {share['peak_of']}" if "of_peak" in share else ""
        late = shown(found[alone]["p99_call_ms"]) if alone in found else ""
        judged = row.partition(",")[0] if row.startswith("twinlens") else row
        cosine = worst.get((field.model, judged.replace(", padded to 77", ""), side))
        told = f"{cosine:.5f}" if cosine is not None else ""
        yield table_line([row, *(figure(found.get(cell)) for cell in cells), late, peak, told])


def rows_of(lines: Sequence[Line]) -> dict[str, dict[str, Line]]:
    """The lines by row and cell, the rows in one order for all tables."""
    found: dict[str, dict[str, Line]] = {}
    for line in sorted(lines, key=lambda line: place(line["row"])):
        found.setdefault(line["row"], {})[line["cell"]] = line
    return found


def figure(line: Line | None) -> str:
    if line is None:
        return ""
    ratio = f" ({line['times_ours']:.2f}x)" if "times_ours" in line else ""
    return f"{shown(line['ms'])}{ratio}"


def accuracy_table(lines: Sequence[Line]) -> Iterator[str]:
    yield "\nNearness to the original, and what batch mates change\n"
    heads = ("worst", "mean", "moved by the batch")
    titles = [f"{side}: {head}" for side in ("image", "text") for head in heads]
    yield table_line(["model", " ", *titles])
    yield "|---" * 8 + "|"
    for line in lines:
        cells = [line["model"], line["row"]]
        for side in ("image", "text"):
            found = line.get(side)
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
        yield table_line([line["row"], *map(shown, figures)])


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


def shown(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
