"""Run a bundle in the tools that other people use, and compare the rows with those of twinlens.

    python -m bench.portability [--install] [--tools FOLDER] [--only SUBSTRING]

The environments of the tools are in FOLDER (or TWINLENS_TOOLS); `--install` makes those that lack.
The bundle is the demo model's in every precision. The figures go to bench/results/portability.json
and into the table of docs/portability.md.
"""

import argparse
import json
import tempfile
from pathlib import Path

import twinlens
import twinlens_export
from bench.harness.machine import commit, processor
from bench.harness.paths import RESULTS, ROOT
from bench.portability.environments import PINS, Environments
from bench.portability.given import make_given
from bench.portability.table import write_table
from bench.portability.tools import TOOLS, run_tool, worst_cosines
from twinlens.bundle.specs import PRECISIONS, Precision

CHECKPOINT = ROOT / "export" / "demo_checkpoint"
OUT = RESULTS / "portability.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--install", action="store_true", help="make the environments that lack")
    parser.add_argument("--tools", type=Path, help="their folder")
    parser.add_argument("--only", default="", help="part of a tool's name")
    options = parser.parse_args()
    environments = Environments.known()
    if options.tools is not None:
        environments = Environments(folder=options.tools)
    for name in PINS:
        if options.install and environments.program(name) is None:
            environments.install(name)
    with tempfile.TemporaryDirectory() as folder:
        cells = measured(environments, Path(folder), options.only)
    if options.only:
        print(json.dumps(cells, indent=2))
        return
    facts = {"commit": commit(), "processor": processor(), "packages": PINS}
    OUT.write_text(json.dumps({**facts, "cells": cells}, indent=2) + "\n", encoding="utf-8")
    write_table(json.loads(OUT.read_text(encoding="utf-8")))


def measured(
    environments: Environments, folder: Path, only: str
) -> dict[str, dict[Precision, dict[str, float]]]:
    """Return the worst cosines by tool, precision and modality."""
    bundle = twinlens_export.export(CHECKPOINT, folder / "bundle", precisions=PRECISIONS)
    twinlens_export.write_portable(bundle, folder / "portable", PRECISIONS)
    given = make_given(folder)
    found: dict[str, dict[Precision, dict[str, float]]] = {}
    for precision in PRECISIONS:
        model = twinlens.load(bundle.folder, device="cpu", precision=precision)
        given.write(bundle, model, folder)
        wanted = given.rows(model)
        for tool in TOOLS:
            if only in tool.name:
                rows = run_tool(tool, precision, environments, folder)
                cosines = worst_cosines(rows, wanted)
                print(tool.name, precision, cosines, flush=True)
                found.setdefault(tool.name, {})[precision] = dict(cosines)
    return found


if __name__ == "__main__":
    main()
