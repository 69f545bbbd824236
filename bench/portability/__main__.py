"""Run a bundle in the tools that other people use, and compare the rows with those of twinlens.

    python -m bench.portability [--install] [--tools FOLDER] [--only SUBSTRING]

The environments of the tools are in FOLDER (or TWINLENS_TOOLS); `--install` makes those that lack.
The bundle is the demo model's in every precision that other tools have a name for; with open_clip
installed also that of a CLIP with a ConvNeXt, a traced tower. The figures go to
bench/results/portability.json and into the tables of docs/pages/models/portability.md.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor
from bench.parity.checkpoints.open_clip_folders import imported_open_clip
from bench.portability.blocks import PAGE
from bench.portability.compared import Compared
from bench.portability.environments import PINS, Environments
from bench.portability.table import page_with
from bench.portability.tools import OUT, TOOLS, TRACED, Tool, run_tool, worst_cosines
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.portable.names import SUFFIXES


def main() -> None:
    parser = parser_of("bench.portability", __doc__)
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
        cells = measured(environments, Compared.demo(Path(folder)), TOOLS, options.only)
    traced = json.loads(OUT.read_text(encoding="utf-8"))["traced"]
    if (library := imported_open_clip()) is not None:
        with tempfile.TemporaryDirectory() as folder:
            compared = Compared.convnext(Path(folder), library)
            traced = measured(environments, compared, TRACED, options.only)
    if options.only:
        print(json.dumps({"cells": cells, "traced": traced}, indent=2))
        return
    facts = {"commit": commit(), "processor": processor(), "packages": PINS}
    figures = {**facts, "cells": cells, "traced": traced}
    OUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")


def measured(
    environments: Environments, compared: Compared, tools: Sequence[Tool], only: str
) -> dict[str, dict[Precision, dict[Modality, float]]]:
    """Return the worst cosines by tool, precision and modality."""
    found: dict[str, dict[Precision, dict[Modality, float]]] = {}
    for precision in SUFFIXES:
        wanted = compared.prepare(precision)
        for tool in (tool for tool in tools if only in tool.name):
            rows = run_tool(tool, precision, environments, compared.folder)
            cosines = worst_cosines(rows, wanted)
            print(tool.name, precision, cosines, flush=True)
            found.setdefault(tool.name, {})[precision] = cosines
    return found


if __name__ == "__main__":
    main()
