"""POST /embed: a picture as it is in, float32 out; the cheapest way."""

from starlette.responses import Response

from twinlens.errors import quoted
from twinlens.http.bodies.answers import RawAnswer
from twinlens.http.bodies.encoding import encoded, little_endian
from twinlens.http.bodies.items import Items
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, invalid

FLOATS = "application/octet-stream"
JSON = "application/json"


async def embed(call: Call) -> Response:
    """Embed the picture that the body is."""
    media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media.startswith("image/"):
        raise HttpError(
            415,
            f"content-type is {quoted(media or 'missing')}, wanted image/jpeg, image/png ...; "
            "several pictures or texts go as JSON to /v1/embeddings",
            code="unsupported_media_type",
        )
    wanted = _accepted(call.headers.get("accept", "*/*"))
    wish = call.wish()
    image = await call.body()
    if not image:
        raise invalid("the body is empty; it is to be a picture", param="body")
    deployment = await call.deployment()
    items = Items()
    items.add_raw(image, "body")
    answer = await call.embed(deployment, items, wish)
    if wanted == FLOATS:
        found = call.answer(little_endian(answer.rows), FLOATS)
        found.headers["x-twinlens-width"] = str(deployment.model.width)
        return found
    (row,) = await encoded(answer.rows, "float")
    return call.answer(RawAnswer(embedding=row, model=deployment.name, twinlens=deployment.maker))


def _accepted(header: str) -> str:
    """Return the media type of the answer: the first of the two that is named."""
    for part in header.split(","):
        media = part.partition(";")[0].strip().lower()
        if media in (FLOATS, JSON):
            return media
        if media in ("*/*", "application/*"):
            return JSON
    raise HttpError(
        406, f"accept is {quoted(header)}, wanted {JSON} or {FLOATS}", code="not_acceptable"
    )
