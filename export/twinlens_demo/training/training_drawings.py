"""The training drawings: all drawings of the training sets in memory, sampled by concept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from twinlens_demo.concepts import Concept
from twinlens_demo.drawings.drawing_set import read_drawing_set
from twinlens_demo.packages import DRAWINGS

UNMIRRORED = ("left", "right", "facing", "clock", "thirty", "letter", "button", "arrow", "latin")
"""Words of names that forbid mirroring."""


class TrainingDrawings:
    """The drawings of the trained concepts, by the artists of the training sets."""

    def __init__(self, folder: Path, concepts: Sequence[Concept]) -> None:
        rows = [row for row, concept in enumerate(concepts) if not concept.held_out]
        number = {row: n for n, row in enumerate(rows)}
        pixels, numbers, weights = [], [], []
        for name, package in DRAWINGS.items():
            if package.role != "train":
                continue
            drawn = read_drawing_set(folder, name)
            kept = np.array([place for place, row in enumerate(drawn.rows) if row in number])
            pixels.append(drawn.pixels[kept])
            numbers += [number[row] for row in drawn.rows[kept]]
            weights += [package.weight] * len(kept)
        self._pixels = channels_first(np.concatenate(pixels))
        order = np.argsort(numbers, kind="stable")
        counts = np.bincount(numbers, minlength=len(rows))
        self._places = np.split(order, np.cumsum(counts)[:-1])
        shares = np.array(weights)
        self._shares = [shares[places] / shares[places].sum() for places in self._places]
        self._flips = torch.tensor([_may_be_mirrored(concepts[row]) for row in rows])
        self._shrunk = self._pixels
        # A concept without a drawing in these sets has only its words: it is never sampled.
        self.numbers = np.array([n for n, places in enumerate(self._places) if len(places)])

    def __len__(self) -> int:
        return len(self._pixels)

    def shrink(self, side: int) -> None:
        """Keep a copy of `side` pixels, a little above the training's: sampling does not alias."""
        if side >= self._pixels.shape[-1]:
            self._shrunk = self._pixels
            return
        parts = [
            functional.interpolate(part.float(), (side, side), mode="bilinear", antialias=True)
            for part in self._pixels.split(512)
        ]
        self._shrunk = torch.cat([part.round().clamp(0, 255).byte() for part in parts])

    def draw(self, numbers: Sequence[int], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Sample one drawing a concept number.

        Returns:
            uint8 premultiplied RGBA [B, 4, H, W], and True [B] for those that may be mirrored.
        """
        places = [random.choice(self._places[n], p=self._shares[n]) for n in numbers]
        return self._shrunk[torch.tensor(places)], self._flips[torch.tensor(numbers)]


def channels_first(pixels: NDArray[np.uint8]) -> Tensor:
    """Turn drawings [N, H, W, 4] into a tensor [N, 4, H, W]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _may_be_mirrored(concept: Concept) -> bool:
    name = concept.names[0]
    return concept.group not in ("flags", "symbols") and not any(w in name for w in UNMIRRORED)
