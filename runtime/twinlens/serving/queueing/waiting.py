"""Waiting items of one kind and priority, request by request."""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import count

from twinlens.serving.work import Item, Request

Turn = tuple[float, int, Request]
"""Seconds that a request was served, more than others when it came; its number; itself."""


class Waiting:
    """Items that wait: interactive ones first come, first served; requests of bulk in turns.

    In turns, the next run begins with the request that was served least since it came (start-time
    fair queueing by estimated seconds), of equals the older one, so that a small bulk request
    passes a large one.
    """

    def __init__(self, *, in_turns: bool) -> None:
        self._in_turns = in_turns
        self._items: dict[Request, deque[Item]] = {}
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

    def add(self, request: Request, items: Sequence[Item]) -> None:
        """Add the items of a new request, at least one."""
        self._items[request] = deque(items)
        heappush(self._turns, (self._clock, next(self._numbers), request))
        self._n_items += len(items)
        self._seconds += sum(item.seconds for item in items)

    def begin_run(self) -> None:
        """Begin a run, with the request whose turn it is."""
        if self._turn is not None:
            heappush(self._turns, self._turn)
            self._turn = None

    def head(self) -> Item | None:
        """Return the item to be taken next; None if there is none."""
        while self._turn is None and self._turns:
            turn = heappop(self._turns)
            if turn[2] in self._items:
                self._turn = turn
        return None if self._turn is None else self._items[self._turn[2]][0]

    def take(self) -> Item:
        """Take the item of `head`."""
        assert self._turn is not None, "head() comes first"
        self._clock, number, request = self._turn
        item = self._items[request].popleft()
        if self._in_turns:
            self._turn = (self._clock + item.seconds, number, request)
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
        if self._turn is not None and self._turn[2] is request:
            self._turn = None
        if not self._items:
            self._seconds = 0.0  # sums of floats drift
        if len(self._turns) > 2 * len(self._items):
            self._turns = [turn for turn in self._turns if turn[2] in self._items]
            heapify(self._turns)
