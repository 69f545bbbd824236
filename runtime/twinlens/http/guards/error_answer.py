"""Answer of an error."""

import msgspec
from starlette.responses import Response

from twinlens.http.bodies.answers import ErrorAnswer, ErrorDetail
from twinlens.http.errors import HttpError
from twinlens.http.exchange import Exchange


def error_answer(error: HttpError, exchange: Exchange) -> Response:
    """Return the answer of an error, and note its code for the log."""
    exchange.code = error.code
    detail = ErrorDetail(message=error.message, type=error.type, param=error.param, code=error.code)
    return Response(
        msgspec.json.encode(ErrorAnswer(error=detail)),
        status_code=error.status,
        media_type="application/json",
        headers=dict(error.headers),
    )
