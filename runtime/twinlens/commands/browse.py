"""twinlens browse: a page over a folder of pictures, on this machine alone."""

import argparse
import sys
import threading
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinlens.bundle.bundle import open_bundle
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.printing.text import printable
from twinlens.commands.reading.inputs import open_model
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import amount
from twinlens.http.libraries import SERVICE, require_libraries
from twinlens.images.read_options import READ_DEFAULTS
from twinlens.loading import DEMO, folder_of

if TYPE_CHECKING:
    from twinlens.browsing.library.cache import Cache
    from twinlens.browsing.library.library import Library

NEEDED: Final = (*SERVICE, "platformdirs")
"""Libraries of the extra."""
HOST: Final = "127.0.0.1"
TIMEOUT_S: Final = 30.0
DRAIN_S: Final = 3.0


def run(options: argparse.Namespace) -> Outcome:
    """Make the index of the folder fresh, and serve the page until Ctrl-C.

    Raises:
        LibraryMissingError: a library is missing.
        MissingTowerError: the bundle has no image tower.
        NotADirectoryError: the folder is none.
        OSError: it cannot be listed, or the cache not be written.
    """
    require_libraries(NEEDED, extra="browse", purpose="the page")
    # Libraries of the extra stand behind these.
    from twinlens.browsing.library.cache import Cache  # noqa: PLC0415

    folder, titles = _folder(options.folder)
    open_bundle(folder_of(options.bundle)).manifest.require("image")
    cache = Cache.of(folder) if options.index is None else Cache(folder=options.index.absolute())
    cache.claim()
    library, index = _library(options, folder, cache, titles)
    _tell(f"{amount(len(library.catalogue), 'picture')}; the index is kept in {cache.folder}")
    answered = _serve(options, library, cache, index)
    return Outcome(
        lines=[f"answered {amount(answered, 'request')}"],
        document={
            "folder": str(folder),
            "cache": str(cache.folder),
            "pictures": len(library.catalogue),
            "unreadable": library.n_lost,
            "answered": answered,
        },
    )


def _folder(given: Path | None) -> tuple[Path, Mapping[str, str]]:
    """Return the folder, absolute and without links, and titles of its files.

    Raises:
        NotADirectoryError: it is none.
        FileNotFoundError: it is not there.
    """
    if given is None:
        drawings = bundled_drawings()
        titles = {drawing.path.name: drawing.caption for drawing in drawings}
        return drawings[0].path.parent.resolve(), titles
    found = given.resolve(strict=True)
    if not found.is_dir():
        raise NotADirectoryError(f"{given} is no folder; name one with pictures in it")
    return found, {}


def _library(
    options: argparse.Namespace, folder: Path, cache: "Cache", titles: Mapping[str, str]
) -> tuple["Library", Path]:
    """Make the index fresh; return the library and the place of the index."""
    from twinlens.browsing.library.catalogue import Catalogue  # noqa: PLC0415
    from twinlens.browsing.library.freshness import freshen  # noqa: PLC0415
    from twinlens.browsing.library.library import Library  # noqa: PLC0415
    from twinlens.browsing.library.picture_file import (  # noqa: PLC0415
        PictureFile,
        list_pictures,
    )
    from twinlens.index.index import Index  # noqa: PLC0415

    listed = list(list_pictures(folder, besides=cache.folder.resolve()))
    files = [found for found in listed if isinstance(found, PictureFile)]
    reasons = [found for found in listed if isinstance(found, str)]
    for reason in reasons:
        _tell(f"warning: {reason}")
    if options.bundle == DEMO and options.folder is not None:
        _tell("the demo model was trained on small drawings; name a BUNDLE for photographs")
    with open_model(options) as model:
        place = cache.index(model.about)
        progress = options.progress
        count = None if progress.bar else partial(progress.counted, noun="images")
        changes = freshen(place, folder, files, model, count=count)
    options.progress.end()
    if changes.added or changes.removed:
        _tell(f"{changes.added} new or changed, {changes.removed} gone or changed")
    catalogue = Catalogue(Index.open(place).ids.tolist(), titles=titles)
    n_lost = len(changes.lost) + len(reasons)
    return Library(folder=folder, catalogue=catalogue, read=READ_DEFAULTS, n_lost=n_lost), place


def _serve(options: argparse.Namespace, library: "Library", cache: "Cache", index: Path) -> int:
    """Serve the page until Ctrl-C; return the number of requests answered."""
    from twinlens.browsing.page_app import page_application  # noqa: PLC0415
    from twinlens.browsing.pictures.thumbnails import Thumbnails  # noqa: PLC0415
    from twinlens.http.guards.hosts import LOOPBACK  # noqa: PLC0415
    from twinlens.http.options import HttpOptions  # noqa: PLC0415
    from twinlens.http.request_log import logging_to_stderr  # noqa: PLC0415
    from twinlens.http.server import server as serving  # noqa: PLC0415
    from twinlens.http.server.sockets import Place, listening_sockets  # noqa: PLC0415
    from twinlens.http.service.deployment import Source, default_name  # noqa: PLC0415
    from twinlens.http.service.service import Service  # noqa: PLC0415

    source = Source(
        bundle=options.bundle,
        index=index,
        name=default_name(options.bundle),
        device=options.device,
        precision=options.precision,
        pixels=options.pixels or "exact",
        threads=options.threads,
        max_queue=None,
        timeout_s=TIMEOUT_S,
        level=options.level,
    )
    service = Service(source, HttpOptions(timeout_s=TIMEOUT_S, allowed_hosts=LOOPBACK))
    with ExitStack() as stack:
        opened = listening_sockets(Place(host=HOST, port=options.port))
        for one in opened:
            stack.enter_context(one)
        thumbnails = stack.enter_context(closing(Thumbnails(library, cache.thumbnails)))
        server = serving.Server(
            service,
            drain_s=DRAIN_S,
            notice_s=0.0,
            app=page_application(service, library, thumbnails),
            on_ready=lambda places: _ready(places[0], browser=not options.no_open),
        )
        # Ctrl-C is the usual end.
        with logging_to_stderr("off"), suppress(KeyboardInterrupt):
            serving.run(server, opened)
    return server.answered


def _ready(url: str, *, browser: bool) -> None:
    """Tell the address, and open it in a thread: a browser in the terminal would hold up all."""
    _tell(f"{url}/  (Ctrl-C ends)")
    if browser:
        threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()


def _tell(line: str) -> None:
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()
