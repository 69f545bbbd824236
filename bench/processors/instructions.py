"""Count the instructions of a tower's item on ARM: by our operators, and by onnxruntime's own.

    python -m bench.processors.instructions --bundle BUNDLE --arm cortex-a72 cortex-a76

A count is no time: an instruction may multiply 16 bytes or none, and waits for memory are not
counted. Needs a qemu-user that takes plugins, such as Debian 12's.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, versions
from bench.harness.paths import BUILD, RESULTS
from bench.harness.results_file import one_row_a_line
from bench.processors.emulated import Processor, arm, require_sources

FEW, MANY = 1, 3
"""Items of the two runs whose difference is that of the items alone: opening takes far more."""
OURS, THEIRS = "", "none"


def main(arguments: Sequence[str] | None = None) -> None:
    """Count on every processor, and write the counts."""
    parser = parser_of("bench.processors.instructions", __doc__)
    parser.add_argument("--bundle", default="demo", help="a folder, or demo")
    parser.add_argument("--arm", nargs="+", default=["cortex-a72", "cortex-a76"])
    parser.add_argument("--root", type=Path, default=BUILD / "processors" / "aarch64")
    parser.add_argument("--qemu", type=Path, help="folder of qemu's programs, if not on the path")
    parser.add_argument("--out", type=Path, default=RESULTS / "instructions.json")
    options = parser.parse_args(arguments)
    require_sources(options.root)
    plugin = compiled()
    rows = []
    for model in options.arm:
        on = arm(model, options.root.absolute(), options.qemu, "-plugin", str(plugin))
        for row in counted(on, options.bundle):
            print(json.dumps(row), flush=True)
            rows.append(row)
    about = {"commit": commit(), "versions": versions(("onnxruntime",))}
    options.out.write_text(one_row_a_line({**about, "rows": rows}), encoding="utf-8")


def compiled() -> Path:
    """Return qemu's plugin, compiled for this machine."""
    source = Path(__file__).parent / "count_instructions.cpp"
    plugin = BUILD / "processors" / "count_instructions.so"
    plugin.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["c++", "-std=c++17", "-O2", "-shared", "-fPIC", str(source), "-o", str(plugin)], check=True
    )
    return plugin


def counted(on: Processor, bundle: str) -> Iterator[dict[str, Any]]:
    """Yield the instructions of an image and of a text, by both kinds of operators."""
    for item in ("image", "text"):
        ours, theirs = (of_item(on, bundle, item, operators) for operators in (OURS, THEIRS))
        yield {
            "processor": on.name,
            "item": item,
            "native": ours,
            "onnxruntime": theirs,
            "ratio": round(theirs / ours, 3),
        }


def of_item(on: Processor, bundle: str, item: str, operators: str) -> int:
    """Return the instructions of one item."""
    few, many = (
        total(
            on.run("-m", "bench.processors.repeated", bundle, item, n, TWINLENS_OPERATORS=operators)
        )
        for n in (FEW, MANY)
    )
    return (many - few) // (MANY - FEW)


def total(report: str) -> int:
    """Return the number that the plugin printed."""
    (found,) = re.findall(r"^instructions (\d+)$", report, flags=re.MULTILINE)
    return int(found)


if __name__ == "__main__":
    main()
