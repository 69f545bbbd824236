"""A drawing set: the rasterised drawings of one package and their concepts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingSet:
    """Drawings by one artist."""

    rows: NDArray[np.int64]
    """Concept numbers [N]."""
    pixels: NDArray[np.uint8]
    """Premultiplied RGBA [N, 72, 72, 4]."""

    def images(self) -> list[Image.Image]:
        """Return the drawings with their transparency."""
        return [Image.fromarray(pixels, "RGBa") for pixels in self.pixels]


def read_drawing_set(folder: Path, name: str) -> DrawingSet:
    """Read folder/<name>.npz."""
    stored = np.load(folder / f"{name}.npz")
    return DrawingSet(rows=stored["rows"], pixels=stored["pixels"])


def identical_drawings(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return [N, N]: True if two of N drawings are the same, as some flags are."""
    flat = pixels.reshape(len(pixels), -1)
    same = np.eye(len(pixels), dtype=bool)
    means = flat.mean(axis=1)
    for row in range(len(flat)):
        near = np.flatnonzero(np.abs(means - means[row]) < 1)
        gap = np.abs(flat[near].astype(np.int16) - flat[row]).mean(axis=1)
        same[row, near] |= gap < 1
    return same
