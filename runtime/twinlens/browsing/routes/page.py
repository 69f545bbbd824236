"""GET /, /page.css, /page.js, /icon.svg: the page; GET /library: the facts that it tells."""

import os
from importlib.resources import files
from typing import Final

from starlette.responses import Response

from twinlens.browsing.bodies import LibraryAnswer
from twinlens.browsing.library.catalogue import shown
from twinlens.browsing.library.library import Library
from twinlens.browsing.queries.expected_matches import expected_matches
from twinlens.errors import CalibrationError
from twinlens.http.calls.call import Call
from twinlens.model.model import Model

STATIC: Final = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Files of the page, with their media types."""


class PageRoutes:
    """Routes of the page itself, whose files are read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        folder = files("twinlens.browsing") / "static"
        self._files = {name: (folder / name).read_bytes() for name in STATIC}

    async def page(self, call: Call) -> Response:
        """Return the page."""
        return self._file(call, "index.html")

    async def style(self, call: Call) -> Response:
        """Return its style."""
        return self._file(call, "page.css")

    async def script(self, call: Call) -> Response:
        """Return its script."""
        return self._file(call, "page.js")

    async def icon(self, call: Call) -> Response:
        """Return its icon."""
        return self._file(call, "icon.svg")

    async def library(self, call: Call) -> Response:
        """Return the facts of the library."""
        model = (await call.deployment()).model
        count = len(self._library.catalogue)
        return call.answer(
            LibraryAnswer(
                folder=shown(str(self._library.folder)),
                separator=os.sep,
                model=model.about["model"],
                pictures=count,
                unreadable=self._library.n_lost,
                expected=expected_matches(count),
                uncalibrated=_uncalibrated(model),
            )
        )

    def _file(self, call: Call, name: str) -> Response:
        return call.answer(self._files[name], STATIC[name])


def _uncalibrated(model: Model) -> str | None:
    try:
        model.calibration  # noqa: B018  an error, if there is none
    except CalibrationError as error:
        return str(error)
    return None
