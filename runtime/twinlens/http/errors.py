"""Errors of requests: status, message, place and code of each, in the shape of OpenAI's API."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from twinlens.errors import (
    CalibrationError,
    ClosedError,
    DeadlineError,
    ImageError,
    MissingTowerError,
    OverloadedError,
    RequestSizeError,
    TextError,
)

TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {401: "authentication_error", 429: "rate_limit_error"}
)
"""Types of errors by status; of the others, those of the caller and those of the server."""
CODES: Final[Mapping[type[Exception], str]] = MappingProxyType(
    {ImageError: "image_error", RequestSizeError: "request_too_large", TextError: "text_error"}
)
"""Codes of errors that may have the place of an item."""
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
CLIENT_LEFT: Final = 499
"""Status in the log of a request whose client has left; nginx's number."""


class HttpError(Exception):
    """A request that gets no answer but this error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.param, self.headers = param, headers

    @property
    def type(self) -> str:
        """Type of the error, by its status."""
        return TYPES.get(
            self.status, "invalid_request_error" if self.status < 500 else "server_error"
        )


class ClientLeftError(HttpError):
    """The client closed its connection before the answer; nobody reads this error."""

    def __init__(self) -> None:
        super().__init__(CLIENT_LEFT, "the client left", code="client_left")


def invalid(message: str, *, param: str | None = None, code: str = "invalid_value") -> HttpError:
    """Return the error of a request that was understood and cannot be answered."""
    return HttpError(422, message, code=code, param=param)


def overloaded(message: str, *, retry_after_s: float = 1.0) -> HttpError:
    """Return the error of a service that is full, with the time to come again."""
    seconds = str(max(1, math.ceil(retry_after_s)))
    return HttpError(429, message, code="overloaded", headers={"retry-after": seconds})


def not_ready(message: str, *, code: str = "not_ready") -> HttpError:
    """Return the error of a service that is not there yet, or no more."""
    return HttpError(503, message, code=code, headers={"retry-after": "1"})


def as_http_error(  # noqa: PLR0911  a table of errors
    error: Exception, places: Sequence[str] = ()
) -> HttpError | None:
    """Return the answer to an error of the engine, or None if it was not foreseen.

    Args:
        error: raised while the items were embedded.
        places: names of the items in the request, such as "input[3]".
    """
    if isinstance(error, HttpError):
        return error
    if isinstance(error, (ImageError, RequestSizeError, TextError)):
        return _of_item(error, places)
    if isinstance(error, MissingTowerError):
        return invalid(str(error), code="no_tower")
    if isinstance(error, CalibrationError):
        return HttpError(409, str(error), code="not_calibrated")
    if isinstance(error, OverloadedError):
        return overloaded(str(error), retry_after_s=error.retry_after_s)
    if isinstance(error, DeadlineError):
        return HttpError(504, str(error), code="timeout")
    if isinstance(error, ClosedError):
        return not_ready(str(error), code="closed")
    if isinstance(error, MemoryError):
        return not_ready("memory is short; send less at a time", code="out_of_memory")
    return None


def unforeseen(request_id: str) -> HttpError:
    """Return the error that tells nothing of the inside; the log has the rest."""
    return HttpError(
        500,
        f"this was not foreseen; the server's log has it as request {request_id}",
        code="internal_error",
    )


def _of_item(error: ImageError | RequestSizeError | TextError, places: Sequence[str]) -> HttpError:
    code = next(code for kind, code in CODES.items() if isinstance(error, kind))
    place = error.place
    if place is None or not 0 <= place < len(places):
        return invalid(str(error), code=code)
    return invalid(f"{places[place]}: {error.__cause__ or error}", param=places[place], code=code)
