"""Exchange: one request and its answer, as the log, the metrics and the limits see it."""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Scope

from twinlens.http.request_headers import RequestHeaders
from twinlens.serving.answers import Timings

KEY: Final = "twinlens.exchange"
"""Place of the exchange in the scope of a request."""
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
"""Header `traceparent`, version 00 of W3C Trace Context."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    request_id: str
    trace: tuple[str, str] | None
    """Ids of the trace and of the caller's span."""
    headers: Mapping[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    route: str = "other"
    """Its path, if there is a route; "other" where there is none."""
    status: int = 0
    code: str | None = None
    """Code of the error, if there was one."""
    failure: BaseException | None = None
    """Error that was not foreseen."""
    texts: int = 0
    images: int = 0
    timings: Timings | None = None
    body_bytes: int = 0
    """Bytes of the body, held until the answer is out."""
    body_done: bool = False
    """True once the whole body has come."""

    @classmethod
    def of(cls, scope: Scope) -> "Exchange":
        """Return the exchange of a request that has come."""
        headers = RequestHeaders(scope)
        asked = headers.get("x-request-id", "")
        found = TRACE.fullmatch(headers.get("traceparent", ""))
        return cls(
            headers=headers,
            method=scope["method"],
            path=scope["path"],
            request_id=asked if REQUEST_ID.fullmatch(asked) else f"{random.getrandbits(128):032x}",
            trace=None if found is None else (found[1], found[2]),
            body_done=not _has_body(headers),
        )

    @property
    def seconds(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self.started


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange of a request that is in progress."""
    found: Exchange = scope[KEY]
    return found


def _has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
