"""GET / and the files of the page; GET /library: the facts that it tells."""

import os
from importlib.resources import files
from typing import Final

from starlette.responses import Response

from twinlens.browsing.bodies import LibraryAnswer
from twinlens.browsing.library.catalogue import shown
from twinlens.browsing.library.library import Library
from twinlens.browsing.queries.expected_matches import expected_matches
from twinlens.errors import CalibrationError, MissingTowerError
from twinlens.http.calls.call import Call
from twinlens.http.routes.table import Act
from twinlens.model.model import Model

SCRIPT: Final = "text/javascript; charset=utf-8"
STATIC: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/{name}": (name, SCRIPT) for name in ("page.js", "asking.js", "dropping.js")},
    **{f"/{name}": (name, SCRIPT) for name in ("elements.js", "picture.js")},
}
"""Files of the page by path, with their media types; page.js imports the other scripts."""


class PageRoutes:
    """Routes of the page itself, whose files are read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        folder = files("twinlens.browsing") / "static"
        self._files = {path: (folder / name).read_bytes() for path, (name, _) in STATIC.items()}

    def file(self, path: str) -> Act:
        """Return the act that answers with a file of the page."""

        async def act(call: Call) -> Response:
            return call.answer(self._files[path], STATIC[path][1])

        return act

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
                level=model.level,
            )
        )


def _uncalibrated(model: Model) -> str | None:
    try:
        model.calibration  # noqa: B018  an error, if there is none
    except (CalibrationError, MissingTowerError) as error:
        return str(error)
    return None
