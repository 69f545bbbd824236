"""Pages of the tests: a folder of pictures, indexed and in service without a socket."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from http_servers import PATIENCE_S, InProcess, LoopThread, demo_source

from twinlens import CalibrationLevel, Index, Model
from twinlens.browsing.library.cache import Cache
from twinlens.browsing.library.catalogue import Catalogue
from twinlens.browsing.library.freshness import freshen
from twinlens.browsing.library.library import Library
from twinlens.browsing.library.picture_file import PictureFile, list_pictures
from twinlens.browsing.page_app import page_application
from twinlens.browsing.pictures.thumbnails import Thumbnails
from twinlens.http.guards.hosts import LOOPBACK
from twinlens.http.options import HttpOptions
from twinlens.http.service.service import Service
from twinlens.images.read_options import READ_DEFAULTS


@dataclass(frozen=True)
class Browsed:
    """A page in service, without a socket."""

    page: InProcess
    library: Library


def picture_files(folder: Path) -> list[PictureFile]:
    """Return the pictures of a folder that can be listed."""
    found = list_pictures(folder, besides=folder / ".none")
    return [one for one in found if isinstance(one, PictureFile)]


@contextmanager
def browsed(
    loop: LoopThread,
    folder: Path,
    cache: Path,
    model: Model,
    *,
    bundle: str = "demo",
    level: CalibrationLevel | None = None,
) -> Iterator[Browsed]:
    """Index a folder and serve its page."""
    kept = Cache(folder=cache)
    kept.claim()
    place = kept.index(model.about)
    freshen(place, folder, picture_files(folder), model)
    catalogue = Catalogue(Index.open(place).ids.tolist(), titles={})
    library = Library(folder=folder, catalogue=catalogue, read=READ_DEFAULTS)
    thumbnails = Thumbnails(library, kept.thumbnails)
    options = HttpOptions(timeout_s=60.0, allowed_hosts=LOOPBACK)
    service = Service(demo_source(index=place, bundle=bundle, level=level), options)
    loop.run(service.open())
    page = InProcess(loop, service, page_application(service, library, thumbnails))
    try:
        yield Browsed(page, library)
    finally:
        page.close()
        thumbnails.close()


class BrowseProcess:
    """`twinlens browse` in a process of its own."""

    def __init__(self, *arguments: str, **settings: Any) -> None:  # noqa: ANN401  Popen's own
        code = "import sys; from twinlens_command import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "browse", "--no-open", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )
        self.lines: list[str] = []
        """Lines of its stderr until it was ready."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if found := re.match(r"(http://\S+)/ ", line):
                self.url = found[1]
                break

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal, and wait for the end; return the exit code and the standard output."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out
