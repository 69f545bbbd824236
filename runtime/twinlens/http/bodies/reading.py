"""Reading of a body: counted as it comes, within its time, and as JSON of one kind."""

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar, cast

import msgspec
from starlette.types import Receive

from twinlens.errors import quoted
from twinlens.http.bodies.value_count import MOST_VALUES, has_too_many_values
from twinlens.http.errors import ClientLeftError, HttpError, invalid, overloaded
from twinlens.http.exchange import Exchange
from twinlens.http.options import HttpOptions

T = TypeVar("T")

PLACE: Final = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
"""End of a message of msgspec: the path of the value, "$.input[3]"."""
UNKNOWN: Final = re.compile(r"unknown field `(.*)`", re.DOTALL)


class BodyReader:
    """Reads bodies, and holds at most so many bytes of all of them at one time.

    The event loop alone uses it: it has no lock.
    """

    def __init__(self, options: HttpOptions) -> None:
        self._options, self.held_bytes = options, 0

    async def read(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        exchange: Exchange,
        *,
        is_there: bool = False,
    ) -> bytes:
        """Read a whole body, whose bytes are held until they are released.

        Bytes are counted as they come, so a false `content-length`, or none, changes nothing.

        Args:
            receive: channel of its parts.
            headers: headers of the request.
            exchange: the request; its bytes are counted there.
            is_there: True if the whole body has come, and no part has to be waited for.

        Raises:
            ClientLeftError: the client left before the end.
            HttpError: 413 if it is larger, 408 if it comes too slowly, 429 if there is no room.
        """
        limit = self._options.max_body_bytes
        declared = headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        if is_there and not exchange.body_done:
            return await self._counted_part(receive, exchange)
        options, now = self._options, asyncio.get_running_loop().time
        start = now()
        parts: list[bytes] = []
        try:
            async with asyncio.timeout_at(start + options.body_grace_s) as clock:
                while not exchange.body_done:
                    parts.append(await self._counted_part(receive, exchange))
                    paced = exchange.body_bytes / options.slowest_bytes_per_s
                    clock.reschedule(start + options.body_grace_s + paced)
        except TimeoutError:
            raise _too_slow(exchange.body_bytes, now() - start) from None
        return b"".join(parts)

    def release(self, n_bytes: int) -> None:
        """Hold so many bytes less."""
        self.held_bytes -= n_bytes

    async def _counted_part(self, receive: Receive, exchange: Exchange) -> bytes:
        part = await _part(receive)
        limit = self._options.max_body_bytes
        if exchange.body_bytes + len(part) > limit:
            raise _too_large(limit)
        self._hold(len(part))
        exchange.body_bytes += len(part)
        return part

    def _hold(self, n_bytes: int) -> None:
        most = self._options.max_held_bytes
        if self.held_bytes + n_bytes > most:
            raise overloaded(
                f"the bodies of other requests fill the {most:,} bytes of room; come again"
            )
        self.held_bytes += n_bytes


async def _part(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeftError
    part: bytes = message.get("body", b"")
    return part


def _too_slow(n_bytes: int, seconds: float) -> HttpError:
    return HttpError(
        408,
        f"only {n_bytes:,} bytes of the body came in {seconds:.0f} s; send it faster",
        code="body_timeout",
    )


def read_json(body: bytes, kind: type[T]) -> T:
    """Decode JSON of one kind.

    Raises:
        HttpError: 400 if it is no JSON, 422 if it is of another kind.
    """
    if has_too_many_values(body):
        raise invalid(
            f"the body has more than {MOST_VALUES:,} values; ask for it in parts",
            code="request_too_large",
        )
    try:
        decoder = _decoder(kind)  # type: ignore[arg-type]  # a class is hashable
        return cast("T", decoder.decode(body))
    except msgspec.ValidationError as error:
        raise _of_another_kind(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "the body is empty" if not body.strip() else quoted(str(error))
        raise HttpError(400, f"the body is no JSON: {reason}", code="invalid_json") from None


@cache
def _decoder(kind: type) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def _of_another_kind(message: str) -> HttpError:
    found = PLACE.search(message)
    param = found[1] if found else None
    reason = message[: found.start()] if found else message
    if unknown := UNKNOWN.search(reason):
        param = unknown[1] if param is None else f"{param}.{unknown[1]}"
        return invalid(
            f"{quoted(param)}: there is no such field here; leave it out",
            param=param[:200],
            code="unknown_field",
        )
    return invalid(f"{param}: {reason}" if param else reason, param=param)


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413,
        f"the body has more than {limit:,} bytes; send fewer items, smaller pictures, "
        "or each picture raw to /embed",
        code="body_too_large",
    )
