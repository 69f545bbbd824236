"""Reading of a body: counted as it comes, within its time, and as JSON of one kind."""

import asyncio
import re
from typing import Final, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive

from twinlens.errors import quoted
from twinlens.http.bodies.room import BodyRoom
from twinlens.http.errors import ClientLeftError, HttpError, invalid
from twinlens.http.exchange import Exchange
from twinlens.http.options import HttpOptions

T = TypeVar("T")

PLACE: Final = re.compile(r" - at `\$\.?(.*)`$")
"""End of a message of msgspec: the path of the value, "$.input[3]"."""
UNKNOWN: Final = re.compile(r"unknown field `(.*)`")


async def read_body(
    receive: Receive,
    headers: Headers,
    exchange: Exchange,
    *,
    limit: int,
    room: BodyRoom,
    options: HttpOptions,
) -> bytes:
    """Read a whole body of at most `limit` bytes; the room holds them for the exchange.

    Bytes are counted as they come, so a false `content-length`, or none, changes nothing.

    Raises:
        ClientLeftError: the client left before the end.
        HttpError: 413 if it is larger, 408 if it comes too slowly, 429 if there is no room.
    """
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    loop = asyncio.get_running_loop()
    start = loop.time()
    parts: list[bytes] = []
    try:
        async with asyncio.timeout_at(start + options.body_grace_s) as clock:
            while not exchange.body_done:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeftError
                part: bytes = message.get("body", b"")
                if exchange.body_bytes + len(part) > limit:
                    raise _too_large(limit)
                room.take(len(part))
                exchange.body_bytes += len(part)
                parts.append(part)
                paced = exchange.body_bytes / options.slowest_bytes_per_s
                clock.reschedule(start + options.body_grace_s + paced)
    except TimeoutError:
        raise HttpError(
            408,
            f"only {exchange.body_bytes:,} bytes of the body came in {loop.time() - start:.0f} s; "
            f"wanted {options.slowest_bytes_per_s:,} a second",
            code="body_timeout",
        ) from None
    return b"".join(parts)


def read_json(body: bytes, kind: type[T]) -> T:
    """Decode JSON of one kind.

    Raises:
        HttpError: 400 if it is no JSON, 422 if it is of another kind.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _of_another_kind(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "the body is empty" if not body.strip() else quoted(str(error))
        raise HttpError(400, f"the body is no JSON: {reason}", code="invalid_json") from None


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
