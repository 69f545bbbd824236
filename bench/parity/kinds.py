"""Compare every other kind of checkpoint with its original, in every precision.

    python -m bench.parity.kinds [--only SUBSTRING] [--page]

Kinds beside the whole CLIPs and SigLIPs of `bench.parity`: lone towers, sentence-transformers,
multilingual-clip, further families of transformers. Shapes are those of real checkpoints, weights
random, and a small tokenizer stands in for theirs; the exporter itself compares ids, pixels and
rows. `--page` writes the table of docs/pages/models/checkpoints.md from the results, and no more.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, versions
from bench.harness.paths import RESULTS, ROOT
from bench.harness.random_weights import accept_any_ranking
from bench.harness.readme_tables import with_table
from bench.harness.timing import spent_by
from bench.parity.checkpoints.kinds import KINDS, ONE_TOWER
from bench.parity.measure import PACKAGES, measured, row
from bench.parity.page import cells, least_alike
from twinlens.bundle.specs import PRECISIONS
from twinlens_export.verification import verify

OUT: Final[Path] = RESULTS / "checkpoint_kinds.json"
PAGE: Final[Path] = ROOT / "docs" / "pages" / "models" / "checkpoints.md"
MARK: Final = "<!-- checkpoints: cosines -->\n"


def table(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table: the worst cosine of each tower in each precision."""
    yield f"| checkpoint | tower | {' | '.join(PRECISIONS)} | least alike |"
    yield f"|---|---|{'---|' * len(PRECISIONS)}---|"
    for name, found in results.items():
        for modality in ("image", "text"):
            towers = [found["towers"].get(precision, {}).get(modality) for precision in PRECISIONS]
            if any(towers):
                figures = [*cells(found, modality, PRECISIONS), least_alike(found, modality)]
                yield f"| {name} | {modality} | {' | '.join(figures)} |"


def main() -> None:
    """Measure the kinds that are asked for, one after the other."""
    parser = parser_of("bench.parity.kinds", __doc__)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--page", action="store_true", help="write the table of the page")
    options = parser.parse_args()
    results = json.loads(OUT.read_text())["results"] if OUT.exists() else {}
    if options.page:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), MARK, table(results)))
        return
    accept_any_ranking()
    for name, save in KINDS.items():
        if options.only not in name:
            continue
        found, spent = spent_by(partial(measured, name, save, ONE_TOWER.get(name)))
        seconds = round(spent.wall_ms / 1e3)
        results[name] = {
            "commit": commit(),
            "s": seconds,
            "towers": row(found),
            "least_alike": found.least_alike,
            "refused": found.refused,
        }
        document = {
            "question": "how closely each kind of checkpoint follows its original",
            "weights": "random, in the shapes of real checkpoints",
            "tolerances": {p: t.worst_cosine for p, t in verify.TOLERANCES.items()},
            "versions": versions(PACKAGES),
            "results": results,
        }
        OUT.write_text(json.dumps(document, indent=1) + "\n")
        worst = {
            precision: min(tower["worst_cosine"] for tower in towers.values())
            for precision, towers in results[name]["towers"].items()
        }
        print(f"{name}: {worst} in {seconds} s", flush=True)


if __name__ == "__main__":
    main()
