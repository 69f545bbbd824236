"""The album: all drawings of some sets in memory, drawn from by concept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twinlens_demo.concepts import Concept
from twinlens_demo.sources import DRAWINGS

UNMIRRORED = ("left", "right", "facing", "clock", "thirty", "letter", "button", "arrow", "latin")


class Album:
    """The training drawings of the trained concepts."""

    def __init__(self, folder: Path, concepts: Sequence[Concept]) -> None:
        rows = [row for row, concept in enumerate(concepts) if not concept.held_out]
        number = {row: n for n, row in enumerate(rows)}
        pixels, numbers, weights = [], [], []
        for name, source in DRAWINGS.items():
            if source.role != "train":
                continue
            stored = np.load(folder / f"{name}.npz")
            kept = np.array([place for place, row in enumerate(stored["rows"]) if row in number])
            pixels.append(stored["pixels"][kept])
            numbers += [number[row] for row in stored["rows"][kept]]
            weights += [source.weight] * len(kept)
        self._pixels = torch.from_numpy(np.concatenate(pixels)).permute(0, 3, 1, 2).contiguous()
        order = np.argsort(numbers, kind="stable")
        counts = np.bincount(numbers, minlength=len(rows))
        self._places = np.split(order, np.cumsum(counts)[:-1])
        shares = np.array(weights)
        self._shares = [shares[places] / shares[places].sum() for places in self._places]
        self._flips = torch.tensor([_mirrors(concepts[row]) for row in rows])
        self._shrunk = self._pixels
        # A concept that no training hand drew has only its words: it is never sampled as a picture.
        self.numbers = np.array([n for n, places in enumerate(self._places) if len(places)])

    def __len__(self) -> int:
        return len(self._pixels)

    def shrink(self, side: int) -> None:
        """Keep a copy a little above the side to be trained at: sampling it does not alias."""
        if side >= self._pixels.shape[-1]:
            self._shrunk = self._pixels
            return
        parts = [
            functional.interpolate(part.float(), (side, side), mode="bilinear", antialias=True)
            for part in self._pixels.split(512)
        ]
        self._shrunk = torch.cat([part.round().clamp(0, 255).byte() for part in parts])

    def draw(self, numbers: Sequence[int], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """One drawing a concept number.

        Returns:
            uint8 premultiplied RGBA [B, 4, H, W], and which of them may be mirrored [B].
        """
        places = [random.choice(self._places[n], p=self._shares[n]) for n in numbers]
        return self._shrunk[torch.tensor(places)], self._flips[torch.tensor(numbers)]


def read_set(folder: Path, name: str) -> tuple[np.ndarray, Tensor]:
    """Concept rows [N] and drawings [N, 4, H, W] of one set."""
    stored = np.load(folder / f"{name}.npz")
    return stored["rows"], torch.from_numpy(stored["pixels"]).permute(0, 3, 1, 2).contiguous()


def _mirrors(concept: Concept) -> bool:
    words = concept.names[0]
    return concept.group not in ("flags", "symbols") and not any(w in words for w in UNMIRRORED)
