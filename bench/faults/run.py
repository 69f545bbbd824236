"""Run of one campaign: its cases in turn, the faults among them, their inputs kept."""

import collections
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.faults.campaign import WORK, Campaign, rng_of
from bench.faults.server import Server
from bench.harness.processes import worker_environment

KEPT: Final = 3
"""Inputs that are kept of each distinct fault."""
TOLD: Final = ("fault", "place", "kind", "detail", "text")
GROWTH_MB: Final = 32.0
"""Growth of the resident set, from the first tenth of the cases to the last, that is still flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Choices of one run."""

    seed: int
    numbers: range
    deadline_s: float
    small: bool


@dataclass(slots=True)
class Tally:
    """Counts of one campaign."""

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    kinds: collections.Counter[str] = field(default_factory=collections.Counter)
    resident_mb: list[float] = field(default_factory=list)
    slowest_ms: float = 0.0
    workers: int = 0
    faulty: int = 0
    faults: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, number: int, answer: dict[str, Any], command: str) -> list[dict[str, Any]]:
        """Count one case; return its faults of which the input is to be kept."""
        self.outcomes[answer["outcome"]] += 1
        self.kinds.update(answer["kind"].split(" + "))
        self.resident_mb.append(answer.get("resident_mb", 0.0))
        self.slowest_ms = max(self.slowest_ms, answer.get("ms", 0.0))
        found = [answer] if answer["fault"] else []
        found += answer.get("more", [])
        self.faulty += bool(found)
        lines = [{name: (answer | fault)[name] for name in TOLD} for fault in found]
        return [line for line in lines if self._count(number, line | {"command": command})]

    def _count(self, number: int, facts: dict[str, Any]) -> bool:
        line = self.faults.setdefault(
            (facts["fault"], facts["place"]), {"times": 0, **facts, "numbers": []}
        )
        line["times"] += 1
        if number in line["numbers"] or len(line["numbers"]) == KEPT:
            return False
        line["numbers"].append(number)
        return True


def run(campaign: Campaign, orders: Orders, log: Path) -> Tally:
    """Run the cases, whose processes write to the log; print each distinct fault once."""
    env = worker_environment(1, {} if orders.small else campaign.environment())
    tally, server = Tally(), None
    try:
        for number in orders.numbers:
            if server is None:
                server = Server(campaign.name, orders.seed, log, env)
                tally.workers += 1
            answer = server.judge(number, orders.deadline_s)
            case = campaign.draw(rng_of(campaign.name, orders.seed, number), number)
            answer = {"kind": case.kind, "detail": case.detail, **answer}
            command = f"python -m bench.faults {campaign.name} --seed {orders.seed} --case {number}"
            for fault in tally.add(number, answer, command):
                _keep(campaign, fault | {"command": command}, number, orders.seed, log)
                known = tally.faults[fault["fault"], fault["place"]]
                if known["times"] == 1:
                    _tell(known)
            if campaign.fresh or "lost" in answer:
                server.end()
                server = None
    finally:
        if server is not None:
            server.end()
    return tally


def figures(campaign: Campaign, orders: Orders, tally: Tally) -> dict[str, Any]:
    """Return the campaign's part of the results."""
    tenth = max(1, len(orders.numbers) // 10)
    early, late = max(tally.resident_mb[:tenth]), max(tally.resident_mb[-tenth:])
    return {
        "campaign": campaign.name,
        "cases": len(orders.numbers),
        "seed": orders.seed,
        "faulty": tally.faulty,
        "distinct_faults": len(tally.faults),
        "outcomes": dict(tally.outcomes.most_common()),
        "kinds": dict(tally.kinds.most_common()),
        "resident_mb": {"first_tenth": round(early, 1), "last_tenth": round(late, 1)},
        # Of processes of one case each there is nothing that could grow.
        "flat": campaign.fresh or late - early <= GROWTH_MB,
        "slowest_ms": round(tally.slowest_ms, 1),
        "workers": tally.workers,
    }


def _keep(campaign: Campaign, fault: dict[str, Any], number: int, seed: int, log: Path) -> None:
    place = WORK / "kept" / f"{campaign.name}-{seed}-{number}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    campaign.keep(campaign.draw(rng_of(campaign.name, seed, number), number), place)
    place.with_suffix(".json").write_text(json.dumps(fault, indent=1) + "\n")
    if log.exists():
        shutil.copy(log, place.with_suffix(".log"))


def _tell(line: dict[str, Any]) -> None:
    print(f"{line['fault']} at {line['place']} ({line['kind']} {line['detail']})", flush=True)
    print(f"    {line['text'][:160]!r}\n    {line['command']}", flush=True)


def lines_of(campaign: Campaign, faults: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the faults of one campaign as rows of the results, the most frequent first."""
    rows = [{"campaign": campaign.name, **line} for line in faults]
    return sorted(rows, key=lambda row: -row["times"])
