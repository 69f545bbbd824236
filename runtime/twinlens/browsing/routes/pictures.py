"""GET /thumbnails/REF and /views/REF: pictures by number, made anew in WEBP."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from twinlens.browsing.library.library import Library
from twinlens.browsing.pictures.thumbnails import Thumbnails
from twinlens.browsing.routes.hits import no_picture
from twinlens.errors import ImageError
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError

FOR_GOOD: Final = "private, max-age=31536000, immutable"
"""A reference names one content of one file: another has another."""


class PictureRoutes:
    """Routes of pictures."""

    def __init__(self, library: Library, thumbnails: Thumbnails) -> None:
        self._library, self._thumbnails = library, thumbnails

    async def thumbnail(self, call: Call) -> Response:
        """Return the thumbnail of a picture."""
        return await self._picture(call, self._thumbnails.thumbnail)

    async def view(self, call: Call) -> Response:
        """Return a picture as large as a screen."""
        return await self._picture(call, self._thumbnails.view)

    async def _picture(self, call: Call, make: Callable[[int], Awaitable[bytes]]) -> Response:
        reference = call.in_path["ref"]
        number = self._library.catalogue.find(reference)
        if number is None:
            raise no_picture("ref")
        try:
            content = await call.while_connected(_made(make, number))
        except ImageError as error:
            raise HttpError(404, str(error), code="no_picture") from None
        found = call.answer(content, "image/webp")
        found.headers["cache-control"] = FOR_GOOD
        return found


async def _made(make: Callable[[int], Awaitable[bytes]], number: int) -> bytes:
    return await make(number)
