"""Waiting items of one kind and priority, request by request."""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import count

from twinlens.serving.queueing.run_budget import MOST_ITEMS
from twinlens.serving.work import Item, Request

Turn = tuple[float, bool, int, Request]
"""Seconds that a request was served, more than others when it came; True for a large one, which of
equals comes last; its number; itself."""


class Waiting:
    """Items that wait: interactive ones first come, first served; requests of bulk in turns.

    In turns, the next run begins with the request that was served least since it came (start-time
    fair queueing by estimated seconds), of equals the older one, so that a small bulk request
    passes a large one. A large interactive request has turns too, a run each, among the
    others; those pass it, unless they have had its share (the virtual time of fair queueing
    advances by work over requests).
    """

    def __init__(self, *, in_turns: bool) -> None:
        self._in_turns = in_turns
        self._items: dict[Request, deque[Item]] = {}
        self._large: dict[Request, float] = {}
        """Estimated work left of requests in turns among others that are not."""
        self._turns: list[Turn] = []
        """A heap; at most half of it are turns of requests that are gone."""
        self._turn: Turn | None = None
        """The turn at hand, taken out of the heap."""
        self._numbers = count()
        self._clock = 0.0
        self._seconds = 0.0
        self._n_items = 0

    def __len__(self) -> int:
        return self._n_items

    @property
    def seconds(self) -> float:
        """Estimated work."""
        return self._seconds

    def seconds_ahead(self, own_s: float) -> float:
        """Return the estimated work that is served before a new request of so many seconds.

        A large request gets no more than the same until then.
        """
        return self._seconds - sum(max(left - own_s, 0.0) for left in self._large.values())

    def add(self, request: Request, items: Sequence[Item]) -> None:
        """Add the items of a new request, at least one."""
        seconds = sum(item.seconds for item in items)
        self._items[request] = deque(items)
        in_turns = not self._in_turns and is_large(items)
        if in_turns:
            self._large[request] = seconds
        heappush(self._turns, (self._clock, in_turns, next(self._numbers), request))
        self._n_items += len(items)
        self._seconds += seconds

    def begin_run(self) -> None:
        """Begin a run, with the request whose turn it is."""
        if self._turn is not None:
            heappush(self._turns, self._turn)
            self._turn = None

    def head(self) -> Item | None:
        """Return the item to be taken next; None if there is none."""
        while self._turn is None and self._turns:
            turn = heappop(self._turns)
            if turn[3] in self._items:
                self._turn = turn
        return None if self._turn is None else self._items[self._turn[3]][0]

    @property
    def is_of_large(self) -> bool:
        """True if the item of `head` is one of a large request among smaller ones."""
        return self._turn is not None and self._turn[1]

    def take(self) -> Item:
        """Take the item of `head`."""
        assert self._turn is not None, "head() comes first"
        served, is_large_one, number, request = self._turn
        item = self._items[request].popleft()
        if self._in_turns:
            self._clock = served
        else:
            self._clock = max(self._clock, served) + item.seconds / len(self._items)
        if self._in_turns or request in self._large:
            self._turn = (served + item.seconds, is_large_one, number, request)
        if request in self._large:
            self._large[request] -= item.seconds
        self._n_items -= 1
        self._seconds -= item.seconds
        if not self._items[request]:
            self._forget(request)
        return item

    def drop(self, request: Request) -> None:
        """Take all items of a request out; there may be none."""
        if request in self._items:
            dropped = self._items[request]
            self._n_items -= len(dropped)
            self._seconds -= sum(item.seconds for item in dropped)
            self._forget(request)

    def requests(self) -> list[Request]:
        """Return the requests with items here, in order of arrival."""
        return list(self._items)

    def _forget(self, request: Request) -> None:
        del self._items[request]
        self._large.pop(request, None)
        if self._turn is not None and self._turn[3] is request:
            self._turn = None
        if not self._items:
            self._seconds = 0.0  # sums of floats drift
        if len(self._turns) > 2 * len(self._items):
            self._turns = [turn for turn in self._turns if turn[3] in self._items]
            heapify(self._turns)


def is_large(items: Sequence[Item]) -> bool:
    """Return True for items of one kind that two runs do not take."""
    return len(items) > 2 * MOST_ITEMS[items[0].kind]
