"""Wishes of a caller: time for the answer, and priority."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from twinlens.errors import quoted
from twinlens.http.errors import HttpError
from twinlens.serving.work import PRIORITIES, Priority

TIMEOUT: Final = "x-request-timeout-ms"
PRIORITY: Final = "priority"
LEAST_S: Final = 1e-6
BROWSERS: Final = re.compile(r"\s*(u\s*=|i\b)")
"""Priority as browsers send it, "u=1, i" (RFC 9218); it says nothing to this server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Time and priority that a caller asks for."""

    timeout_s: float
    priority: Priority | None


def wish_of(
    headers: Mapping[str, str], *, timeout_ms: float | None, priority: str | None, most_s: float
) -> Wish:
    """Return the shortest of the times that are asked for, and the priority of the body or header.

    Args:
        headers: `x-request-timeout-ms` and `priority` are looked at.
        timeout_ms: time in the body.
        priority: priority in the body.
        most_s: time of the server, which none can lengthen.

    Raises:
        HttpError: 400, a header means nothing.
    """
    asked = [most_s]
    if timeout_ms is not None:
        asked.append(timeout_ms / 1e3)
    if (written := headers.get(TIMEOUT)) is not None:
        asked.append(_milliseconds(written) / 1e3)
    # A thousandth of the least float above 0 is 0.
    return Wish(
        timeout_s=max(min(asked), LEAST_S), priority=_priority(priority, headers.get(PRIORITY))
    )


def _milliseconds(written: str) -> float:
    try:
        found = float(written)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise HttpError(
            400,
            f"{TIMEOUT} is {quoted(written)}, not a positive number of milliseconds",
            code="invalid_header",
            param=TIMEOUT,
        )
    return found


def _priority(body: str | None, header: str | None) -> Priority | None:
    if body is not None:
        return cast("Priority", body)
    if header is None:
        return None
    if header.strip().lower() in PRIORITIES:
        return cast("Priority", header.strip().lower())
    if BROWSERS.match(header):
        return None
    raise HttpError(
        400,
        f"{PRIORITY} is {quoted(header)}, not {' or '.join(PRIORITIES)}",
        code="invalid_header",
        param=PRIORITY,
    )
