"""Write our own record: the ledger, bench/RECORD.md, and the tables of README.md.

    python -m bench.record            after a run of another room has written bench/results
    python -m bench.record --check    exit code 1 if it would change anything, ages included

The ledger, results/record.json, keeps the figures of each machine: a run on another one writes the
same file of results, and takes no figure of the first away.
"""

import sys

from bench.harness.arguments import parser_of
from bench.harness.paths import ROOT
from bench.record.ages import Ages
from bench.record.gather import LEDGER, gathered, read_ledger, write_ledger
from bench.record.pages import README, RECORD, readme_page, record_page
from bench.record.tables import Figures


def main() -> int:
    parser = parser_of("bench.record", __doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    figures = gathered(read_ledger(), Ages(ROOT))
    pages = {
        README: readme_page(README.read_text(encoding="utf-8"), Figures(figures)),
        RECORD: record_page(Figures(figures)),
    }
    changed = [
        place
        for place, text in pages.items()
        if not place.exists() or place.read_text("utf-8") != text
    ]
    if figures != read_ledger():
        changed.append(LEDGER)
    act = "is not as it would be written" if check else "is written"
    for place in changed:
        print(f"{place.relative_to(ROOT)} {act}")
    if not check:
        write_ledger(figures)
        for place, text in pages.items():
            place.write_text(text, encoding="utf-8")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
