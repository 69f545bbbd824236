"""The demo bundle as other tools read it."""

from pathlib import Path

import pytest

import twinlens_export
from twinlens.bundle.bundle import Bundle, open_bundle
from twinlens.loading import folder_of


@pytest.fixture(scope="session")
def demo() -> Bundle:
    return open_bundle(folder_of("demo"))


@pytest.fixture(scope="session")
def folder(demo: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portable folder of the demo bundle in int8."""
    place = tmp_path_factory.mktemp("portable") / "demo"
    twinlens_export.write_portable(demo, place, ["int8"])
    return place


@pytest.fixture
def split(demo: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, its weights beside the towers, as those of larger ones are."""
    monkeypatch.setattr("twinlens_export.graph.graph.LARGEST_EMBEDDED_BYTES", 0)
    twinlens_export.write_portable(demo, tmp_path / "split", ["int8"])
    return tmp_path / "split"
