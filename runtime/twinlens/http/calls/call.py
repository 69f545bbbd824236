"""Call: one request at its route, from the body to the rows."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive, Scope

from twinlens.errors import quoted
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.reading import read_json
from twinlens.http.calls.answer import JSON, Answer
from twinlens.http.calls.disconnection import while_connected
from twinlens.http.calls.line import Line
from twinlens.http.calls.wishes import Wish, wish_of
from twinlens.http.errors import HttpError, as_http_error, invalid
from twinlens.http.exchange import exchange_of
from twinlens.http.service.deployment import Deployment
from twinlens.http.service.service import Service
from twinlens.serving.answers import EmbeddedRequest

T = TypeVar("T")


class Call:
    """One request at its route."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.service = Service.of(scope)
        self.exchange = exchange_of(scope)
        self.headers = self.exchange.headers
        self.in_path: Mapping[str, Any] = scope.get("path_params", {})
        self._receive, self._line = receive, Line.of(scope)
        self._used: Deployment | None = None

    async def deployment(self) -> Deployment:
        """Return the deployment in service, which stays open until the call ends."""
        self._used = found = await self.service.deployment()
        found.users += 1
        return found

    def end(self) -> None:
        """Let go of the deployment."""
        if self._used is not None:
            self._used.leave()

    async def body(self) -> bytes:
        """Read the whole body.

        Raises:
            HttpError: 415 if it is compressed, 413, 408 or 429.
        """
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        if coding != "identity":
            # Some kilobytes may unpack to gigabytes.
            raise HttpError(
                415,
                f"content-encoding is {quoted(coding)}; send the body as it is",
                code="unsupported_content_encoding",
            )
        is_there = self._line is not None and self._line.has_all
        return await self.service.bodies.read(
            self._receive, self.headers, self.exchange, is_there=is_there
        )

    async def json(self, kind: type[T]) -> T:
        """Read the whole body as JSON of one kind.

        Raises:
            HttpError: 415 if it is of another media type, 413, 408, 400 or 422.
        """
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            # Types that a page may send without asking are refused by this too.
            raise HttpError(
                415,
                f"content-type is {quoted(media or 'missing')}, wanted application/json",
                code="unsupported_media_type",
            )
        return read_json(await self.body(), kind)

    async def embed(
        self, deployment: Deployment, items: Items, wish: Wish, *, cut: bool = True
    ) -> EmbeddedRequest:
        """Embed all items, or none.

        Args:
            deployment: the model.
            items: texts and images.
            wish: time and priority that the caller asks for.
            cut: False refuses a text that is longer than the context.

        Raises:
            ClientLeftError: the client left; its items have left the queue.
            HttpError: an item cannot be embedded, there is no room, or the time is over.
        """
        exchange = self.exchange
        exchange.texts = items.n_texts
        exchange.images = len(items.content) - items.n_texts
        work = deployment.serving.embed(
            items.content, priority=wish.priority, timeout_s=wish.timeout_s
        )
        answer = await self.result(work, items.places)
        exchange.timings = answer.timings
        if answer.truncated and not cut:
            place = items.places[answer.truncated[0]]
            raise invalid(
                f"{place} is longer than the context of the model; shorten it, or let it be cut",
                param=place,
                code="text_too_long",
            )
        return answer

    async def result(self, work: Coroutine[Any, Any, T], places: Sequence[str]) -> T:
        """Return the result of the engine's work.

        Args:
            work: cancelled if the client leaves.
            places: names of its items in the request, for errors.

        Raises:
            ClientLeftError: the client left.
            HttpError: as the work's own error is answered.
        """
        try:
            return await self.while_connected(work)
        except Exception as error:
            found = as_http_error(error, places)
            if found is None:
                raise
            raise found from error

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of work whose body was read; cancel it once the client is gone.

        Raises:
            ClientLeftError: the client closed its connection first.
        """
        if self._line is not None:
            return await self._line.while_connected(work)
        return await while_connected(self._receive, work)

    def wish(self, *, timeout_ms: float | None = None, priority: str | None = None) -> Wish:
        """Return time and priority, of the body or else of the headers."""
        return wish_of(
            self.headers,
            timeout_ms=timeout_ms,
            priority=priority,
            most_s=self.service.options.timeout_s,
        )

    def answer(self, content: msgspec.Struct | bytes, media_type: str = JSON) -> Answer:
        """Return the answer, with the times of its parts."""
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        headers: dict[str, str] = {}
        if (timings := self.exchange.timings) is not None:
            parts = (("queue", timings.queue_s), ("decode", timings.decode_s))
            headers["server-timing"] = ", ".join(
                f"{name};dur={1e3 * seconds:.2f}"
                for name, seconds in (*parts, ("tower", timings.tower_s))
            )
        return Answer(body, media_type=media_type, headers=headers)
