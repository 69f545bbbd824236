"""Answer of an error."""

from typing import Final

import msgspec

from twinlens.http.bodies.answers import ErrorAnswer, ErrorDetail
from twinlens.http.calls.answer import Answer
from twinlens.http.errors import HttpError
from twinlens.http.exchange import Exchange

FINAL: Final = frozenset({409, 504})
"""Statuses after which openai's clients would ask twice more: what is not calibrated stays so, and
a caller whose time is over gets no more of it, but the queue three requests for one."""


def error_answer(error: HttpError, exchange: Exchange) -> Answer:
    """Return the answer of an error, and note its code for the log."""
    exchange.code = error.code
    headers = dict(error.headers)
    if error.status in FINAL:
        headers["x-should-retry"] = "false"
    detail = ErrorDetail(message=error.message, type=error.type, param=error.param, code=error.code)
    body = msgspec.json.encode(ErrorAnswer(error=detail))
    return Answer(body, status=error.status, headers=headers)
