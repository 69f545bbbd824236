"""A service on the demo model, shared by many tests.

It ends with the module: others count threads, and imitate forks."""

import base64
from collections.abc import Iterator

import pytest
from http_servers import InProcess, LoopThread, ServerProcess, in_process

from twinlens import Index, Model
from twinlens.demo.samples import bundled_drawings

DRAWINGS = bundled_drawings()[:6]


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Encoded drawings of the demo."""
    return [drawing.path.read_bytes() for drawing in DRAWINGS]


@pytest.fixture(scope="session")
def uris(pictures: list[bytes]) -> list[str]:
    """The drawings in data URIs."""
    return [f"data:image/png;base64,{base64.b64encode(one).decode()}" for one in pictures]


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.end()


@pytest.fixture(scope="session")
def index_folder(
    tmp_path_factory: pytest.TempPathFactory, model: Model, pictures: list[bytes]
) -> str:
    """An index of the drawings on disk; ids are their captions."""
    folder = tmp_path_factory.mktemp("served") / "drawings.index"
    rows = model.embed_images(pictures)
    ids = [f"{number} {drawing.caption}" for number, drawing in enumerate(DRAWINGS)]
    Index.write(folder, rows, ids=ids, about=model.about)
    return str(folder)


@pytest.fixture(scope="module")
def service(loop: LoopThread, index_folder: str) -> Iterator[InProcess]:
    with in_process(loop, index=index_folder) as found:
        yield found


@pytest.fixture(scope="module")
def server(index_folder: str) -> Iterator[ServerProcess]:
    """One real server, which every test leaves as it was."""
    arguments = ("demo", "--index", index_folder, "--port", "0", "--threads", "2")
    with ServerProcess(*arguments, "--timeout", "60", "--notice", "0") as found:
        yield found
        code, out = found.end()
        assert code == 0, found.lines
        assert "0 accepted and not answered" in out
