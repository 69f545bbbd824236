"""Observer of an engine, for its metrics."""

from dataclasses import dataclass
from typing import Literal, Protocol

from twinlens.serving.work import Kind, Priority

DropReason = Literal["expired", "cancelled", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run of a worker."""

    kind: Kind
    priority: Priority
    items: int
    waited_s: tuple[float, ...]
    """Seconds in the queue of each item."""
    decode_s: tuple[float, ...]
    """Seconds of decoding of each image; none of texts."""
    tower_s: float
    """Seconds in the tower and, of texts, in the tokenizer."""


class Observer(Protocol):
    """Receiver of events, called from the threads at work, outside of any lock.

    It returns soon, and its errors are logged, no more.
    """

    def on_run(self, report: RunReport) -> None:
        """Take note of a run that has ended."""

    def on_dropped(self, why: DropReason, items: int) -> None:
        """Take note of items of one request that were not accepted, or not embedded any more."""


class NoObserver:
    """Observer that takes note of nothing."""

    def on_run(self, report: RunReport) -> None:
        """Ignore a run."""

    def on_dropped(self, why: DropReason, items: int) -> None:
        """Ignore dropped items."""
