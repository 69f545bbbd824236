"""Paired comparison: two builds, or two bundles, asked in turn in short blocks.

Times that were measured a second apart have the same neighbours, the same clock and the same
temperature, so their ratio is told far better than that of two runs. Both are started anew several
times, for a process alone may be slower than another of the same build.
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
from numpy.typing import NDArray

from twinlens.benchmarking.comparison import paired_worker
from twinlens.benchmarking.comparison.verdict import Compared, Comparison, compared
from twinlens.benchmarking.errors import WorkerError
from twinlens.benchmarking.inputs import Items
from twinlens.benchmarking.measures.bootstrap import LEAST_LIVES, paired_ratio
from twinlens.benchmarking.scenarios.probe import Tell
from twinlens.errors import quoted

BATCHES: Final = (1, 8)
QUERIES: Final = tuple(f"{kind} {batch}" for batch in BATCHES for kind in ("image", "text"))
BLOCK_S: Final = 0.02
"""Time of a block: shorter than most spells of a busy machine."""
MOST_CALLS: Final = 64
LIVES: Final = 8
"""Pairs of processes, one after the other."""
LEAST_TURNS: Final = 4
"""Pairs of a life, whatever the time."""
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
    lives, is_cut = _Lives(first, second), False
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(LIVES):
            try:
                lives.add(items, Path(folder), seconds / LIVES)
            except KeyboardInterrupt:
                if not lives.hellos:
                    raise
                is_cut = True
                break
            tell(seconds / LIVES)
    hellos, times = lives.hellos, lives.times
    cosine = _worst_cosine(*(hello["rows"] for hello in hellos[:2]))
    rows = [_row(query, times[query], share=share) for query in QUERIES if times[query]]
    return Comparison(
        first=first.name,
        second=second.name,
        share=share,
        paired=True,
        partial=is_cut,
        worst_cosine=cosine,
        notes=tuple(_differences(*hellos[:2])),
        rows=tuple(rows),
    )


F64 = NDArray[np.float64]
Block = tuple[float, float]
"""Wall and CPU time of a call in ms, in the median of a block."""
Times = dict[str, list[F64]]
"""By query, the pairs [K, 2 sides, 2 clocks] of each life."""


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


class _Lives:
    """Pairs of processes so far."""

    def __init__(self, *both: Side) -> None:
        self._both = both
        self.times: Times = {query: [] for query in QUERIES}
        self.hellos: list[dict[str, Any]] = []
        """First answers of the processes."""

    def add(self, items: Items, folder: Path, seconds: float) -> None:
        """Start both sides, add their pairs, and end them; the side asked first changes."""
        with ExitStack() as stack:
            sides = [
                stack.enter_context(_worker(side, _asked(side, items, folder)))
                for side in self._both
            ]
            self.hellos += [side.hello for side in sides]
            calls = {query: _calls(sides, query) for query in QUERIES}
            pairs: dict[str, list[tuple[Block, Block]]] = {query: [] for query in QUERIES}
            begun, turn = time.perf_counter(), 0
            try:
                while time.perf_counter() < begun + seconds or turn < LEAST_TURNS:
                    for query in QUERIES:
                        pairs[query].append(_pair(sides, query, calls[query], turn))
                    turn += 1
            finally:  # an interruption too leaves what is known
                for query, found in pairs.items():
                    if found:
                        self.times[query].append(np.asarray(found, dtype=np.float64))


def _pair(sides: Sequence[_Worker], query: str, calls: int, turn: int) -> tuple[Block, Block]:
    """Return a block of each side, the one asked first by turns."""
    blocks: dict[int, Block] = {}
    for place in (0, 1) if turn % 2 else (1, 0):
        question = {"query": query, "first": 1 + turn * calls, "calls": calls}
        found = sides[place].ask(question)
        wall, cpu = (float(np.median(found[name])) for name in ("wall_ms", "cpu_ms"))
        blocks[place] = (wall, cpu)
    return blocks[0], blocks[1]


def _calls(sides: Sequence[_Worker], query: str) -> int:
    """Return the calls of a block, after calls that warm both sides up."""
    fastest = min(
        min(side.ask({"query": query, "first": 0, "calls": 3})["wall_ms"]) for side in sides
    )
    return int(np.clip(1e3 * BLOCK_S / max(fastest, 1e-3), 1, MOST_CALLS))


def _row(query: str, lives: Sequence[F64], *, share: float) -> Compared:
    wall, cpu = (paired_ratio([life[:, 1, at] / life[:, 0, at] for life in lives]) for at in (0, 1))
    kind, _, batch = query.partition(" ")
    name = f"{batch} {kind}{'' if batch == '1' else 's'}"
    found = compared(name, wall=wall, cpu=cpu, share=share, blocks=sum(map(len, lives)))
    return found if len(lives) >= LEAST_LIVES else replace(found, verdict="unsure")


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
