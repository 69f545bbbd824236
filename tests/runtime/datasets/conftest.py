"""A folder of two images, of which the tests make pairs."""

from pathlib import Path

import pytest
from pair_files import png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with dog.png and cat.png."""
    for place, name in enumerate(("dog.png", "cat.png")):
        (tmp_path / name).write_bytes(png(place))
    return tmp_path
