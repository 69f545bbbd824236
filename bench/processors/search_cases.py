"""Count random searches that agree with brute force, on every instruction set.

    python -m bench.processors.search_cases       10,000 on each, into results/search_cases.json
    python -m bench.processors.search_cases --cases 100 --out FILE

A case is a corpus, queries, k, a filter and floors, drawn from its number: duplicates, rows one
step of a float apart, numbers of all sizes, subnormal ones, ascending rows, zeros, samples that
mislead. Its top-k, its range search and the scores of its pairs are compared to the bit with brute
force, by tests/kernels/isa/search_check.cpp. ARM is emulated by qemu-aarch64; so are the tiles of
AMX. A run that was cut goes on, as long as the sources of the search are the same.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from bench.harness.arguments import parser_of
from bench.harness.machine import processor
from bench.harness.paths import BUILD, RESULTS, ROOT
from bench.harness.readme_tables import write_tables
from bench.harness.results_file import one_row_a_line
from bench.harness.results_log import ResultsLog

CHECKS: Final = ROOT / "tests" / "kernels" / "isa"
STEP: Final = 250
"""Cases of one process, after which a cut run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A processor that the check program is compiled for and run on."""

    name: str
    compiler: str
    foreign: tuple[str, ...]
    """Parts of the paths of sources that its check program does not compile."""
    options: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()


PROCESSORS: Final = (
    Processor(name="this one", compiler="c++", foreign=("/arm/", "/neon", "hit_cosines")),
    Processor(
        name="ARM, by qemu-aarch64",
        compiler="aarch64-linux-gnu-g++",
        foreign=("/x86/", "/amx", "/avx", "hit_cosines"),
        options=(
            "-DCMAKE_SYSTEM_NAME=Linux",
            "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
            "-DCMAKE_EXE_LINKER_FLAGS=-static",
        ),
        emulator=("qemu-aarch64", "-cpu", "max"),
    ),
)


def built(processor: Processor, folder: Path) -> Path:
    """Return the check program of a processor, compiled."""
    target = folder / re.sub(r"\W+", "-", processor.name)
    compiler = f"-DCMAKE_CXX_COMPILER={processor.compiler}"
    subprocess.run(
        ["cmake", "-S", CHECKS, "-B", target, compiler, *processor.options],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run(
        ["cmake", "--build", target, "--parallel", "2", "--target", "search_check"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return target / "search_check"


def sources(processor: Processor) -> str:
    """Return a hash of the sources of the search that are compiled for a processor."""
    command = ["git", "-C", str(ROOT), "ls-tree", "-r", "HEAD", "kernels/src/search"]
    tree = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    own = [
        line for line in tree.splitlines() if not any(part in line for part in processor.foreign)
    ]
    return sha256("\n".join(own).encode()).hexdigest()[:12]


def checked(program: Sequence[str | Path], first: int, last: int) -> dict[str, Any]:
    """Run the cases first .. last; return the paths that ran, comparisons and mismatches."""
    done = subprocess.run(
        [*program, str(first), str(last)], check=False, capture_output=True, text=True
    )
    counts = re.search(r"^(\d+) cases, (\d+) failures$", done.stdout, flags=re.MULTILINE)
    if counts is None:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stdout}{done.stderr}")
    paths = re.findall(r"^runs (\w+)$", done.stdout, flags=re.MULTILINE)
    if "emulates the tiles of AMX" in done.stdout:
        paths.insert(0, "amx, its tiles emulated")
    return {
        "last": last,
        "paths": paths,
        "comparisons": int(counts[1]),
        "mismatches": int(counts[2]),
    }


def report(lines: Sequence[dict[str, Any]], out: Path) -> None:
    """Write the JSON, and the table into bench/README.md where it is the published file."""
    rows = []
    for name in dict.fromkeys(line["processor"] for line in lines):
        of_processor = [line for line in lines if line["processor"] == name]
        cases = sum(line["last"] - line["first"] for line in of_processor)
        comparisons = sum(line["comparisons"] for line in of_processor)
        mismatches = sum(line["mismatches"] for line in of_processor)
        paths = of_processor[0]["paths"]
        rows.append(
            {
                "processor": name,
                "paths": paths,
                "cases_of_each": cases,
                "comparisons": comparisons,
                "mismatches": mismatches,
            }
        )
    facts = {
        "question": "searches that agree with brute force to the bit, on every instruction set",
        "commits": sorted({line["commit"] for line in lines}),
        "processor": processor(),
    }
    out.write_text(one_row_a_line(facts | {"rows": rows}), encoding="utf-8")
    if out == RESULTS / "search_cases.json":
        write_tables("search_cases", {"all": table(rows)})


def table(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of processors."""
    yield "| processor | instruction sets | cases of each | comparisons | mismatches |"
    yield "|---|---|---|---|---|"
    for row in rows:
        paths = "; ".join(row["paths"])
        counts = f"{row['cases_of_each']:,} | {row['comparisons']:,} | {row['mismatches']}"
        yield f"| {row['processor']} | {paths} | {counts} |"


def main() -> None:
    parser = parser_of("bench.processors.search_cases", __doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--work", type=Path, default=BUILD / "search-cases", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=RESULTS / "search_cases.json", metavar="FILE")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    log = ResultsLog(options.work / "cases.jsonl")
    for one in PROCESSORS:
        if any(shutil.which(tool) is None for tool in (one.compiler, *one.emulator[:1])):
            print(f"{one.name}: {one.compiler} or its emulator is missing", flush=True)
            continue
        program = [*one.emulator, built(one, options.work)]
        for first in range(0, options.cases, STEP):
            step = {"processor": one.name, "first": first, "sources": sources(one)}
            if not log.has(step):
                last = min(first + STEP, options.cases)
                found = checked(program, first, last)
                log.add(step | found)
                print(f"{one.name}: {last:,} cases, {found['mismatches']} mismatches", flush=True)
    now = {one.name: sources(one) for one in PROCESSORS}
    lines = {
        (line["processor"], line["first"]): line
        for line in log.lines
        if line["sources"] == now[line["processor"]]
    }
    report(list(lines.values()), options.out.resolve())


if __name__ == "__main__":
    main()
