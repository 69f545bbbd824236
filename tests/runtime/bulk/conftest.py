"""A model of width 3 that embeds colours in microseconds, and pictures for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import twinlens
from twinlens import Model
from twinlens.bundle.bundle import Bundle


@pytest.fixture
def colours(bundle: Bundle) -> Model:
    return twinlens.load(bundle.folder, device="cpu", threads=1)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """Writes n pictures of n colours into a folder, and returns it."""

    def write(count: int) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir(exist_ok=True)
        for number in range(count):
            colour = np.array([number % 256, number // 256, 100], dtype=np.uint8)
            Image.fromarray(np.broadcast_to(colour, (4, 4, 3))).save(folder / f"{number:04d}.png")
        return folder

    return write
