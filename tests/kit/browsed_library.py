"""Pages of the tests: a folder of pictures, indexed and in service without a socket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from http_servers import InProcess, LoopThread, demo_source

from twinlens import Index, Model
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


def picture_files(folder: Path) -> list[PictureFile]:
    """Return the pictures of a folder that can be listed."""
    found = list_pictures(folder, besides=folder / ".none")
    return [one for one in found if isinstance(one, PictureFile)]


@contextmanager
def browsed(
    loop: LoopThread, folder: Path, cache: Path, model: Model, *, bundle: str = "demo"
) -> Iterator[tuple[InProcess, Library]]:
    """Index a folder and serve its page."""
    kept = Cache(folder=cache)
    kept.claim()
    place = kept.index(model.about)
    freshen(place, folder, picture_files(folder), model)
    catalogue = Catalogue(Index.open(place).ids.tolist(), titles={})
    library = Library(folder=folder, catalogue=catalogue, read=READ_DEFAULTS)
    thumbnails = Thumbnails(library, kept.thumbnails)
    options = HttpOptions(timeout_s=60.0, allowed_hosts=LOOPBACK)
    service = Service(demo_source(index=place, bundle=bundle), options)
    loop.run(service.open())
    page = InProcess(loop, service, page_application(service, library, thumbnails))
    try:
        yield page, library
    finally:
        page.close()
        thumbnails.close()
