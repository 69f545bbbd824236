"""Tables of bench.input, made of the lines of all sections."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from bench.harness.results_file import four_digits
from bench.harness.timing import median_ratio

Line = dict[str, Any]

PLAIN: Final = "plain ORT script"
STRICT: Final = "efficientnet-lite0"


def tables(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Return the tables by title; sections without a line give an empty one."""
    by_section: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        kept = {key: value for key, value in line.items() if key not in ("section", "commit")}
        by_section[line["section"]].append(kept)
    found = {name: rows for name, rows in by_section.items() if name != "prepare"}
    found["agreement"] = agreement(by_section["agreement"])
    found["files"] = files(by_section["files"])
    return {name: [rounded_row(row) for row in rows] for name, rows in found.items()}


def agreement(lines: Sequence[Line]) -> list[Line]:
    """Return a row for each size, encoding and contender, over all pictures."""
    groups: dict[tuple[float, str, str], list[Line]] = defaultdict(list)
    for line in lines:
        groups[line["megapixels"], line["encoding"], line["contender"]].append(line)
    return [
        {
            "megapixels": megapixels,
            "encoding": encoding,
            "contender": contender,
            "pictures": len(found),
            "max_levels": max(line["max_levels"] for line in found),
            "mean_levels": statistics.mean(line["mean_levels"] for line in found),
            "worst_cosine": {model: min(each) for model, each in _cosines(found).items()},
            "mean_cosine": {
                model: statistics.mean(each) for model, each in _cosines(found).items()
            },
            "worst_cosine_on": {
                kind: min(_cosines(of_kind)[STRICT]) for kind, of_kind in _kinds(found).items()
            },
        }
        for (megapixels, encoding, contender), found in groups.items()
    ]


def _cosines(lines: Sequence[Line]) -> dict[str, list[float]]:
    return {model: [line["cosines"][model] for line in lines] for model in lines[0]["cosines"]}


def _kinds(lines: Sequence[Line]) -> dict[str, list[Line]]:
    kinds: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        kinds[line["kind"]].append(line)
    return kinds


def files(lines: Sequence[Line]) -> list[Line]:
    """Return a row for each contender; its ratios are medians over the rounds."""
    rounds: dict[str, dict[int, Line]] = defaultdict(dict)
    cosines = {}
    for line in lines:
        if "round" in line:
            rounds[line["contender"]][line["round"]] = line
        else:
            cosines[line["contender"]] = line
    return [
        {
            "contender": name,
            "rounds": len(found),
            "ms": statistics.median(line["ms"] for line in found.values()),
            "cpu_ms": statistics.median(line["cpu_ms"] for line in found.values()),
            "times_faster_than_transformers": _ratio(rounds["transformers"], found),
            "times_faster_than_plain_ort": _ratio(rounds[PLAIN], found),
            "most_resident_mb": max(line["most_resident_mb"] for line in found.values()),
            "worst_cosine": cosines[name]["worst_cosine"],
            "mean_cosine": cosines[name]["mean_cosine"],
        }
        for name, found in rounds.items()
    ]


def _ratio(first: dict[int, Line], second: dict[int, Line]) -> float:
    return median_ratio(
        (first[turn]["ms"] for turn in second), (line["ms"] for line in second.values())
    )


def rounded_row(row: Line) -> Line:
    return {key: rounded(value) for key, value in row.items()}


def rounded(value: object) -> object:
    """Round to four significant digits; a cosine, which is near one, to six places."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, float):
        return round(value, 6) if 0.9 < value <= 1.001 else four_digits(value)
    return value
