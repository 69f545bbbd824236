"""A library of drawings in service, shared by many tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsed_library import Browsed, browsed
from http_servers import LoopThread

from twinlens import Model
from twinlens.demo.samples import bundled_drawings


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
    with browsed(loop, pictures, cache, model) as found:
        yield found
