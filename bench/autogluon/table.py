"""The table of the README: both sides of the demo's checkpoint."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bench.harness.paths import RESULTS
from bench.harness.results_file import three_digits

FILE: Final = RESULTS / "autogluon.json"
WORDS: Final = {
    "(1 + cosine) / 2": "AutoGluon, (1 + cosine) / 2",
    "assumed": "twinlens int8, assumed: no pairs",
    "fitted-pairs": "twinlens int8, fitted on pairs",
}
HEAD: Final = (
    "| | packages, MB on disk | first pair: CPU s, MB of memory | CPU s for 600 pictures, 1,000 "
    "texts, 500 pairs | ECE, right of concepts it knows | of those it never saw |"
)


def lines(document: Mapping[str, Any], model: str = "demo") -> Iterator[str]:
    """Yield the lines of the table, as Markdown."""
    yield HEAD
    yield "|---|---|---|---|---|---|"
    speeds = {row["side"]: row for row in document["speeds"] if row["model"] == model}
    told = {row["probability"]: row for row in document["probabilities"] if row["model"] == model}
    for way, words in WORDS.items():
        row = told[way]
        speed, disk = speeds[row["side"]], document["installed"][row["side"]]
        seconds = (speed[f"{name}_cpu_s"] for name in ("images", "texts", "pairs"))
        cells = (
            words,
            f"{disk['packages']}, {disk['mb']:,}",
            f"{three_digits(speed['first_pair_cpu_s'])}, {speed['resident_mb']:.0f}",
            ", ".join(map(three_digits, seconds)),
            *(
                f"{row[f'ece_{part}']:.2f}, {row[f'accuracy_{part}']:.0%}"
                for part in ("known", "unseen")
            ),
        )
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    print(*lines(json.loads(FILE.read_text(encoding="utf-8"))), sep="\n")


if __name__ == "__main__":
    main()
