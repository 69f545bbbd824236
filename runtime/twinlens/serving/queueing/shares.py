"""Shares of the workers' time among the queues."""

from collections.abc import Collection, Mapping
from typing import Final

from twinlens.serving.work import QUEUES, Priority, QueueName

WEIGHTS: Final[Mapping[Priority, float]] = {"interactive": 8.0, "bulk": 1.0}
"""Two kinds of each: beside both interactive ones, a bulk queue gets at least 1/18 of the time."""
LONGEST_OVERRUN_S: Final = 1.0


class FairShares:
    """Start-time fair queueing (Goyal et al. 1996) over the queues, by seconds of work.

    A queue's tag is the work it was given, divided by its weight. The queue with the least tag is
    served. One that was empty does not save its share up: its tag begins at that of the last run.
    """

    def __init__(self) -> None:
        self._tags = dict.fromkeys(QUEUES, 0.0)
        self._clock = 0.0

    def arrive(self, queue: QueueName) -> None:
        """Note that an empty queue has items again."""
        self._tags[queue] = max(self._tags[queue], self._clock)

    def order(self, queues: Collection[QueueName]) -> list[QueueName]:
        """Return queues in the order in which they are served; of equals, the interactive one."""
        return sorted(queues, key=lambda queue: (self._tags[queue], QUEUES.index(queue)))

    def start(self, queue: QueueName, seconds: float) -> None:
        """Charge a queue for a run that begins, by its estimated seconds."""
        self._clock = self._tags[queue]
        self._charge(queue, seconds)

    def correct(self, queue: QueueName, seconds: float) -> None:
        """Charge a queue for the seconds that a run took longer than estimated, or less if < 0.

        No more than `LONGEST_OVERRUN_S`: a process that was stopped for a minute was not at work,
        and its texts would wait for 7 s of bulk images.
        """
        self._charge(queue, min(seconds, LONGEST_OVERRUN_S))

    def _charge(self, queue: QueueName, seconds: float) -> None:
        self._tags[queue] += seconds / WEIGHTS[queue.priority]


def drain_s(work: Mapping[QueueName, float], queue: QueueName, *, workers: int) -> float:
    """Return the time until one queue is empty, if all workers share it and nothing else comes.

    The fluid model of fair queueing (Parekh and Gallager 1993).

    Args:
        work: seconds of work in each queue.
        queue: one of them.
        workers: number of workers.
    """
    left = {name: seconds for name, seconds in work.items() if seconds > 0}
    if left.keys() <= {queue}:  # the usual case, several times a request
        return left.get(queue, 0.0) / workers
    passed = 0.0
    while queue in left:
        total = sum(WEIGHTS[name.priority] for name in left)
        rates = {name: workers * WEIGHTS[name.priority] / total for name in left}
        first = min(left, key=lambda name: left[name] / rates[name])
        step = left[first] / rates[first]
        passed += step
        left = {n: s - step * rates[n] for n, s in left.items() if n != first}
    return passed
