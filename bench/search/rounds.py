"""Paired rounds: twinlens and one peer on the same rows, asked in turn."""

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bench.harness.results_log import ResultsLog
from bench.search.cells import Cell, CorpusSetup, Selection, cell_key
from bench.search.corpus import Kind, corpus_file
from bench.search.ground_truth import truth_file
from bench.search.limits import known_limits
from bench.search.tuning import tuned_faiss
from bench.search.worker import N_QUERIES, Worker

ROUNDS, FEWEST_ROUNDS = 7, 3
# Beyond this a cell stops after its fewest rounds.
PATIENCE_S = 4.0
# A call shorter than this is timed after some that are not: the other contender emptied the caches,
# and an idle core of a virtual machine takes milliseconds to wake. Each is timed at work.
WARM_MS = 300.0
WARM_UP_MS = 20.0
# OpenMP's and OpenBLAS's threads spin for a while after their work, on a core the next one needs.
REST_S = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One contender, and the cells that it is measured in."""

    name: str
    engine: str
    widths: Sequence[int] = (512,)
    kinds: Sequence[Kind] = ("text",)
    ks: Sequence[int] = (10, 100, 1000)
    tuned: bool = False
    library: str = "twinlens"
    """Imported by the engine; a peer whose library is not installed is left out."""

    def cells(self) -> list[Cell]:
        return [
            Cell(kind=kind, n_queries=n_queries, k=k)
            for kind, n_queries, k in product(self.kinds, (1, 16, 256), self.ks)
        ]


# The peers' times do not depend on the kind of query; twinlens' do.
PEERS = (
    Peer(
        name="faiss, best setting",
        engine="faiss",
        library="faiss",
        tuned=True,
        widths=(512, 768, 1024),
        kinds=("text", "image"),
    ),
    Peer(name="twinlens.Index", engine="twinlens Index", widths=(512, 768, 1024)),
    Peer(name="faiss, as shipped", engine="faiss", library="faiss"),
    Peer(name="numpy", engine="numpy"),
    Peer(name="torch", engine="torch", library="torch"),
    Peer(
        name="sentence-transformers",
        engine="sentence-transformers",
        library="sentence_transformers",
        ks=(10, 100),
    ),
    Peer(name="usearch", engine="usearch", library="usearch", ks=(100,)),
    Peer(name="scikit-learn", engine="scikit-learn", library="sklearn", ks=(100,)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Ends of a run: `until` is a time of time.monotonic, `rounds` the most of a cell."""

    until: float
    rounds: int = ROUNDS


class PairedRounds:
    """Measurements of one setup: one twinlens, and each peer in its turn."""

    def __init__(
        self,
        setup: CorpusSetup,
        selection: Selection,
        work: Path,
        log: ResultsLog,
        limits: RunLimits,
    ) -> None:
        self._setup, self._selection = setup, selection
        self._work, self._log, self._limits = work, log, limits

    def run(self, peers: Sequence[Peer]) -> None:
        """Measure the missing cells, until the time is over."""
        missing = {peer: cells for peer in peers if (cells := self._missing(peer))}
        if not missing or self._late():
            return
        rows_file = corpus_file(self._work, self._setup.n, self._setup.width)
        known_limits(self._setup, self._log)
        with Worker("twinlens", rows_file, self._setup.threads, {}) as ours:
            for peer, cells in missing.items():
                with contextlib.ExitStack() as stack:
                    self._measure(ours, peer, cells, rows_file, stack)

    def prepare(self, peers: Sequence[Peer]) -> None:
        """Write the corpus and the ground truth that the missing cells need."""
        for cell in (cell for peer in peers for cell in self._missing(peer)):
            rows_file = corpus_file(self._work, self._setup.n, self._setup.width)
            truth_file(self._work, rows_file, cell.kind, N_QUERIES)

    def _missing(self, peer: Peer) -> list[Cell]:
        if self._setup.width not in peer.widths:
            return []
        return [
            cell
            for cell in peer.cells()
            if self._selection.has(cell)
            and not self._log.find(cell_key(self._setup, peer.name, cell))
        ]

    def _late(self) -> bool:
        return time.monotonic() > self._limits.until

    def _measure(
        self,
        ours: Worker,
        peer: Peer,
        cells: Sequence[Cell],
        rows_file: Path,
        stack: contextlib.ExitStack,
    ) -> None:
        """Measure cells of twinlens and one peer, which has a process for each environment."""
        processes: dict[str, Worker] = {}
        for cell in cells:
            if self._late():
                return
            tuned = self._tuned(peer, cell)
            name = json.dumps(tuned["environment"])
            if name not in processes:
                processes[name] = stack.enter_context(
                    Worker(peer.engine, rows_file, self._setup.threads, tuned["environment"])
                )
            theirs, settings = processes[name], tuned["settings"]
            truth = truth_file(self._work, rows_file, cell.kind, N_QUERIES)
            pair = (("ours_", ours, {}), ("", theirs, settings))
            found = {
                f"{prefix}found": worker.compare(cell, chosen, truth)
                for prefix, worker, chosen in pair
            }
            warm_ups = [
                WARM_UP_MS if answer.pop("wall_ms") < WARM_MS else 0.0 for answer in found.values()
            ]
            self._log.add(
                cell_key(self._setup, peer.name, cell)
                | rounds(pair, warm_ups, cell, self._limits.rounds)
                | {"tuned": tuned, "limits": known_limits(self._setup, self._log)}
                | {"ours_path": ours.facts["path"], "ours_ready_s": ours.facts["ready_s"]}
                | found
            )

    def _tuned(self, peer: Peer, cell: Cell) -> dict[str, Any]:
        if not peer.tuned:
            return {"environment": {}, "settings": {}}
        return tuned_faiss(self._setup, cell.n_queries, self._work, self._log)


def rounds(
    pair: Sequence[tuple[str, Worker, Mapping[str, int]]],
    warm_ups: Sequence[float],
    cell: Cell,
    most: int,
) -> dict[str, list[float]]:
    """Return wall and CPU ms of each round, the two contenders in turn."""
    spent: dict[str, list[float]] = {
        name: [] for name in ("ours_wall_ms", "ours_cpu_ms", "wall_ms", "cpu_ms")
    }
    begun = time.monotonic()
    for done in range(most):
        if done >= FEWEST_ROUNDS and time.monotonic() - begun > PATIENCE_S:
            break
        for (prefix, worker, chosen), warm_up_ms in zip(pair, warm_ups, strict=True):
            time.sleep(REST_S)
            for name, value in worker.time(cell, chosen, warm_up_ms).items():
                spent[prefix + name].append(round(value, 3))
    return spent
