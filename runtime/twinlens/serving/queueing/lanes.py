"""Lanes: groups of queues, each with workers of its own, that the system's scheduler divides."""

from typing import Final, Literal

from twinlens.serving.work import QUEUES, QueueName

Lane = Literal["all", "texts", "rest"]

ONE_LANE: Final[dict[Lane, frozenset[QueueName]]] = {"all": frozenset(QUEUES)}
"""All work by the same workers; a run is never interrupted."""
INTERACTIVE_TEXTS: Final = QueueName("text", "interactive")
PREEMPTIVE: Final[dict[Lane, frozenset[QueueName]]] = {
    "texts": frozenset({INTERACTIVE_TEXTS}),
    "rest": frozenset(QUEUES) - {INTERACTIVE_TEXTS},
}
"""A search's text takes 4 ms and a run of bulk images 100: it does not wait for a worker, but gets
one of its own, for which the scheduler interrupts the others."""
