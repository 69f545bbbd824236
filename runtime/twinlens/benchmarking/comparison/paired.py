"""Paired comparison: two builds, or two bundles, asked in turn in short blocks.

Times that were measured a second apart have the same neighbours, the same clock and the same
temperature, so their ratio is told far better than that of two runs.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinlens.benchmarking.comparison import paired_worker
from twinlens.benchmarking.comparison.verdict import Compared, Comparison, compared
from twinlens.benchmarking.errors import WorkerError
from twinlens.benchmarking.inputs import Items
from twinlens.benchmarking.measures.bootstrap import LEAST_PAIRS, paired_ratio
from twinlens.benchmarking.scenarios.probe import Tell
from twinlens.errors import quoted

BATCHES: Final = (1, 8)
QUERIES: Final = tuple(f"{kind} {batch}" for batch in BATCHES for kind in ("image", "text"))
BLOCK_S: Final = 0.02
"""Time of a block: shorter than most spells of a busy machine."""
MOST_CALLS: Final = 64
MOST_TEXTS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: an interpreter, and the arguments of `twinlens.load` there."""

    python: str
    load: Mapping[str, object]
    name: str


def compare_in_turn(  # noqa: PLR0913  two sides, and one choice each
    first: Side, second: Side, items: Items, *, seconds: float, share: float, tell: Tell
) -> Comparison:
    """Measure both in turn, and return second over first.

    Args:
        first: the yardstick.
        second: the one that is judged.
        items: images and texts to ask with.
        seconds: time of measuring.
        share: share of time beyond which the second is slower.
        tell: takes the seconds that were spent.

    Raises:
        WorkerError: a process ended, or answers something else.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [
            stack.enter_context(_worker(side, _asked(side, items, folder)))
            for side in (first, second)
        ]
        cosine = _worst_cosine(*(side.hello["rows"] for side in sides))
        times, is_cut = _measured(sides, seconds, tell)
    rows = [_row(query, *times[query], share=share) for query in QUERIES if times[query][0]]
    return Comparison(
        first=first.name,
        second=second.name,
        share=share,
        paired=True,
        partial=is_cut,
        worst_cosine=cosine,
        notes=tuple(_differences(*(side.hello for side in sides))),
        rows=tuple(rows),
    )


Block = tuple[float, float]
"""Wall and CPU time of a call in ms, in the median of a block."""


class _Worker:
    """Process of one side."""

    def __init__(self, side: Side, process: "subprocess.Popen[str]") -> None:
        self._side, self._process = side, process
        self.hello: dict[str, Any] = {}

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to one question.

        Raises:
            WorkerError: the process ended, or answers something else.
        """
        incoming, outgoing = self._process.stdout, self._process.stdin
        assert incoming is not None
        assert outgoing is not None
        try:
            outgoing.write(json.dumps(question) + "\n")
            outgoing.flush()
            return dict(json.loads(incoming.readline()))
        except (OSError, ValueError) as error:
            self._process.kill()
            said = self._process.communicate()[1].strip().splitlines()[-1:]
            raise WorkerError(
                f"{self._side.name} gave no answer ({quoted(said[0] if said else error)}); "
                f"try {quoted(self._side.python)} -c 'import twinlens'"
            ) from error


@contextmanager
def _worker(side: Side, hello: Mapping[str, Any]) -> Iterator[_Worker]:
    command = [side.python, "-P", str(Path(paired_worker.__file__))]
    try:
        process = subprocess.Popen(  # noqa: S603  the interpreter that the user names
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise WorkerError(
            f"{side.python} cannot be run: {error.strerror}; name a Python"
        ) from error
    with process:
        worker = _Worker(side, process)
        try:
            worker.hello = worker.ask(hello)
            yield worker
        finally:
            process.kill()


def _asked(side: Side, items: Items, folder: Path) -> dict[str, Any]:
    """Return the first question of a side; writes the images into the folder."""
    paths = []
    for number, content in enumerate(items.images):
        paths.append(str(folder / f"{number}.image"))
        Path(paths[-1]).write_bytes(content)
    return {
        "load": dict(side.load),
        "images": paths,
        "texts": items.texts[:MOST_TEXTS],
        "batches": BATCHES,
        "compared": QUERIES[-2:],
    }


def _measured(
    sides: Sequence[_Worker], seconds: float, tell: Tell
) -> tuple[dict[str, tuple[list[Block], list[Block]]], bool]:
    """Return the blocks of both sides by query, pair by pair; True if it was interrupted."""
    times: dict[str, tuple[list[Block], list[Block]]] = {query: ([], []) for query in QUERIES}
    calls = {query: _calls(sides, query) for query in QUERIES}
    begun = told = time.perf_counter()
    turn = 0
    try:
        while time.perf_counter() < begun + seconds or turn < LEAST_PAIRS:
            for query in QUERIES:
                pair: list[Block] = [(0.0, 0.0), (0.0, 0.0)]
                for place in (0, 1) if turn % 2 else (1, 0):
                    found = sides[place].ask(
                        {"query": query, "first": 1 + turn * calls[query], "calls": calls[query]}
                    )
                    pair[place] = (
                        float(np.median(found["wall_ms"])),
                        float(np.median(found["cpu_ms"])),
                    )
                for blocks, block in zip(times[query], pair, strict=True):
                    blocks.append(block)
            turn += 1
            now = time.perf_counter()
            tell(now - told)
            told = now
    except KeyboardInterrupt:
        return times, True
    return times, False


def _calls(sides: Sequence[_Worker], query: str) -> int:
    """Return the calls of a block, after calls that warm both sides up."""
    fastest = min(
        min(side.ask({"query": query, "first": 0, "calls": 3})["wall_ms"]) for side in sides
    )
    return int(np.clip(1e3 * BLOCK_S / max(fastest, 1e-3), 1, MOST_CALLS))


def _row(query: str, first: list[Block], second: list[Block], *, share: float) -> Compared:
    both = min(len(first), len(second))
    ours, theirs = np.array(first[:both]), np.array(second[:both])
    wall, cpu = (paired_ratio(ours[:, at], theirs[:, at]) for at in (0, 1))
    kind, _, batch = query.partition(" ")
    name = f"{batch} {kind}{'' if batch == '1' else 's'}"
    found = compared(name, wall=wall, cpu=cpu, share=share, blocks=both)
    return found if both >= LEAST_PAIRS else replace(found, verdict="unsure")


def _worst_cosine(first: list[list[list[float]]], second: list[list[list[float]]]) -> float:
    """Return the smallest cosine of the rows of both sides."""
    worst = 1.0
    for ours, theirs in zip(first, second, strict=True):
        cosines = np.einsum("bd,bd->b", np.asarray(ours), np.asarray(theirs))
        worst = min(worst, float(cosines.min()))
    return round(worst, 6)


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    told = [{"twinlens": side["version"], **side["about"]} for side in (first, second)]
    for name in sorted({*told[0], *told[1]}):
        values = [side.get(name, "none") for side in told]
        if values[0] != values[1]:
            yield f"{name}: {values[0]} and {values[1]}"
