"""A library of drawings with one transparent, one turned and some near duplicates, in service."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browsed_library import browsed
from http_servers import InProcess, LoopThread

from twinlens import Model
from twinlens.browsing.library.library import Library
from twinlens.demo.samples import bundled_drawings


@dataclass(frozen=True)
class Browsed:
    """A page in service, without a socket."""

    page: InProcess
    library: Library
    cache: Path


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.end()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty drawings, in two folders; the dog is there twice."""
    folder = tmp_path_factory.mktemp("pictures").resolve()
    (folder / "more").mkdir()
    for number, drawing in enumerate(bundled_drawings()[:20]):
        shutil.copy(drawing.path, (folder / "more" if number % 2 else folder) / drawing.path.name)
    shutil.copy(bundled_drawings()[0].path, folder / "copy.png")
    return folder


@pytest.fixture(scope="session")
def served(
    loop: LoopThread, pictures: Path, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browsed]:
    """The page over the drawings; every test leaves them as they were."""
    cache = tmp_path_factory.mktemp("cache")
    with browsed(loop, pictures, cache, model) as (page, library):
        yield Browsed(page, library, cache)
