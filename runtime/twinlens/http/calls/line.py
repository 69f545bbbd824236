"""Line: the connection under a request, as our own server tells it; others tell nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from starlette.types import Scope

from twinlens.http.errors import ClientLeftError

KEY: Final = "twinlens.line"
"""Place of the line in the scope of a request."""

T = TypeVar("T")


class Flow(Protocol):
    """Flow of bytes from a client."""

    def resume_reading(self) -> None:
        """Read on."""


class Incoming(Protocol):
    """Request whose body is coming."""

    more_body: bool

    @property
    def flow(self) -> Flow:
        """Flow of its bytes."""


class Line:
    """Connection under one request: if its body is there, and if its client has left.

    A watcher of `receive` would be a task more for each request.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming, self._has_left = incoming, False
        self._on_leave: Callable[[], object] | None = None

    @classmethod
    def of(cls, scope: Scope) -> "Line | None":
        """Return the line of a request, if our own server has taken it."""
        found: Line | None = scope.get(KEY)
        return found

    @property
    def has_all(self) -> bool:
        """True once the whole body has come."""
        return not self._incoming.more_body

    def leave(self) -> None:
        """Note that the client is gone."""
        self._has_left = True
        if self._on_leave is not None:
            self._on_leave()

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of the work, or cancel it as soon as the client is gone.

        Raises:
            ClientLeftError: the client closed its connection first.
        """
        task = asyncio.current_task()
        assert task is not None, "a request is answered by a task"
        if self._has_left:
            work.close()
            raise ClientLeftError
        self._on_leave = task.cancel
        # Behind a large body, or before a pipelined request, uvicorn stops reading, and would not
        # see the end of the connection.
        self._incoming.flow.resume_reading()
        try:
            return await work
        except asyncio.CancelledError:
            if self._has_left and task.uncancel() == 0:
                raise ClientLeftError from None
            raise
        finally:
            self._on_leave = None
