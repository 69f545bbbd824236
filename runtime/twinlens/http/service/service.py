"""Service: the deployment that answers now, and what all requests share."""

import asyncio
import logging
import time
from typing import Final, Self

from starlette.types import Scope

from twinlens.http.bodies.reading import BodyReader
from twinlens.http.errors import not_ready
from twinlens.http.options import HttpOptions
from twinlens.http.service.deployment import Deployment, Source
from twinlens.http.service.keys import KeyRing
from twinlens.http.service.metrics import Metrics
from twinlens.serving.answers import ServingStats

logger = logging.getLogger(__name__)

SERVICE: Final = "twinlens.service"
"""Place of the service in the scope of a request."""
DRAIN_S = 30.0
"""Time in which a deployment that was replaced answers what it had accepted."""


class Service:
    """The deployment that answers now, and what all requests share.

    Used by the event loop alone.
    """

    def __init__(
        self, source: Source, options: HttpOptions, *, keys: KeyRing | None = None
    ) -> None:
        self.source, self.options, self.keys = source, options, keys
        self.metrics = Metrics()
        self.bodies = BodyReader(options)
        self.requests_in_progress = 0
        self.draining = False
        """True from the signal to end on: not ready, but still answering."""
        self._current: Deployment | None = None
        self._opened = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._retiring: set[asyncio.Task[int]] = set()
        self.metrics.watch(self)

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return the service that a request has come to."""
        found: Self = scope[SERVICE]
        return found

    @property
    def is_ready(self) -> bool:
        """True if a request would be answered, and the service is not about to end."""
        current = self._current
        return current is not None and current.serving.ready and not self.draining

    @property
    def held_bytes(self) -> int:
        """Bytes of bodies held."""
        return self.bodies.held_bytes

    @property
    def is_broken(self) -> bool:
        """True if every worker is dead: nothing but a new process helps."""
        stats = self.stats()
        return stats is not None and stats.workers_alive == 0

    def stats(self) -> ServingStats | None:
        """Return the counts of the engine in service; None while it opens."""
        return None if self._current is None else self._current.serving.stats()

    async def deployment(self) -> Deployment:
        """Return the deployment in service; at the start, wait until it is open.

        A socket that systemd holds brings the first request before the model.

        Raises:
            HttpError: 503, it is not open within the time for an answer.
        """
        if self._current is None:
            try:
                await asyncio.wait_for(self._opened.wait(), self.options.timeout_s)
            except TimeoutError:
                raise not_ready("the model is still being opened; come again") from None
        if self._current is None:
            raise not_ready("the service is at its end", code="draining")
        return self._current

    async def open(self) -> None:
        """Open the deployment, or its successor, which takes its place at once.

        Whatever has begun on the old one ends there.

        Raises:
            TwinlensError: it cannot be opened; an old one stays.
            OSError: likewise.
        """
        async with self._reloading:
            found = await Deployment.open(self.source, self.metrics, created=int(time.time()))
            old, self._current = self._current, found
            self._opened.set()
        if old is not None:
            task = asyncio.create_task(old.close(DRAIN_S))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def reload(self) -> bool:
        """Read bundle, index and keys anew; return False, and go on as before, if one is bad."""
        if self.draining:
            return False
        try:
            keys = None if self.keys is None else await asyncio.to_thread(self.keys.read)
            await self.open()
        except Exception:
            logger.exception("the reload failed; the service goes on with what it had")
            return False
        if self.keys is not None and keys is not None:
            self.keys.replace(keys)
        return True

    async def close(self, timeout_s: float) -> int:
        """Answer what was accepted, and end; return the number of requests left over."""
        left = 0 if self._current is None else await self._current.close(timeout_s)
        self._opened.set()
        await asyncio.gather(*self._retiring)
        return left
