"""Waiting items of one kind and priority, request by request."""

from collections import deque
from collections.abc import Sequence

from twinlens.serving.work import Item, Request


class Waiting:
    """Items that wait: interactive ones first come, first served; requests of bulk in turns.

    In turns, the next run begins with the request that was served least since it came (start-time
    fair queueing by estimated seconds), so that a small bulk request passes a large one.
    """

    def __init__(self, *, in_turns: bool) -> None:
        self._in_turns = in_turns
        self._items: dict[Request, deque[Item]] = {}
        self._served: dict[Request, float] = {}
        self._turn: Request | None = None
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
        self._served[request] = self._clock
        self._n_items += len(items)
        self._seconds += sum(item.seconds for item in items)

    def begin_run(self) -> None:
        """Begin a run, with the request whose turn it is."""
        self._turn = None

    def head(self) -> Item | None:
        """Return the item to be taken next; None if there is none."""
        if self._turn is None and self._items:
            self._turn = self._next_request()
        return self._items[self._turn][0] if self._turn else None

    def take(self) -> Item:
        """Take the item of `head`."""
        request = self._turn
        assert request is not None, "head() comes first"
        item = self._items[request].popleft()
        self._clock = self._served[request]
        self._served[request] += item.seconds
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

    def _next_request(self) -> Request:
        if self._in_turns:
            return min(self._served, key=self._served.__getitem__)  # of equals, the older
        return next(iter(self._items))

    def _forget(self, request: Request) -> None:
        del self._items[request], self._served[request]
        if self._turn is request:
            self._turn = None
        if not self._items:
            self._seconds = 0.0  # sums of floats drift
