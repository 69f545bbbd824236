"""Budget of one run: seconds that a worker may be kept by it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twinlens.serving.work import KINDS, Kind, QueueName, Run

SHORT_S: Final = 0.025
"""Run of interactive items, as long as one image of a ViT-B/32 on one core: nine captions in one
run cost 2.6 ms each, and one alone 3.8; more in one run save 2 % and let the first ones wait."""
LONG_S: Final = 0.12
"""Run of bulk items: four images in one run cost 23.4 ms each, and one alone 26.3."""
DEEP_S: Final = 0.5
"""Work for each worker from which on larger batches are worth it, though others wait longer."""
LEAST_S: Final = 0.005
"""Work that is not divided among idle workers: a run costs a millisecond or two in itself."""
LATELY_S: Final = 2.0
"""Time for which one interactive item lets the next one be expected."""
MOST_ITEMS: Final[Mapping[Kind, int]] = {"text": 16, "image": 8}
"""Items of one run; beyond, a batch leaves the cache, and an item costs more."""
MOST_TOKENS: Final = 512
"""Tokens of one run, for the same reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBudget:
    """Bounds of one run; a single item may be beyond all but `longest_item_s`."""

    seconds: float
    items: int
    longest_item_s: float = math.inf

    def takes(self, items: int, seconds: float, tokens: int) -> bool:
        """Return True if a run may have so many items, of so much work in all."""
        # Of a float's rounding: half of 4 images is 2 images.
        in_time = seconds <= self.seconds * (1 + 1e-9)
        return items == 1 or (items <= self.items and in_time and tokens <= MOST_TOKENS)


class RunBudgets:
    """Budgets that keep one worker free for interactive items while such items come.

    While interactive items of another queue were seen lately, all workers but one may be in long
    runs; the last one takes `SHORT_S` of work, or one item. A text then waits for one image.
    """

    def __init__(self, *, workers: int) -> None:
        self.workers = workers
        self._seen: dict[Kind, float] = dict.fromkeys(KINDS, -math.inf)
        self._running = 0
        self._long = 0

    def arrive(self, kind: Kind, now: float) -> None:
        """Note that an interactive item has come."""
        self._seen[kind] = now

    def start(self, run: Run) -> None:
        """Note that a run begins."""
        self._running += 1
        self._long += run.is_long

    def end(self, run: Run) -> None:
        """Note that a run has ended."""
        self._running -= 1
        self._long -= run.is_long

    def of(self, queue: QueueName, *, waiting_s: float, now: float) -> RunBudget:
        """Return the budget of a run from a queue in which so many seconds of work wait."""
        items, longest, seconds = MOST_ITEMS[queue.kind], math.inf, SHORT_S
        if not self._are_others_expected(queue, now):
            if queue.priority == "bulk" or waiting_s > self.workers * LONG_S:
                seconds = LONG_S
        elif self._long < self.workers - 1:
            if waiting_s > self.workers * DEEP_S:
                seconds = LONG_S
        elif self.workers > 1:
            longest = LONG_S
        idle = max(1, self.workers - self._running)
        share = max(waiting_s / idle, LEAST_S)
        return RunBudget(seconds=min(seconds, share), items=items, longest_item_s=longest)

    def _are_others_expected(self, queue: QueueName, now: float) -> bool:
        own = queue.kind if queue.priority == "interactive" else None
        return any(now - seen < LATELY_S for kind, seen in self._seen.items() if kind != own)


def is_long(items: int, seconds: float) -> bool:
    """Return True if a run keeps interactive items waiting for longer than one image would."""
    return seconds > (SHORT_S if items > 1 else LONG_S)
