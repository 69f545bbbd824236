"""Files and texts that every processor gets: the same bytes."""

import json
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from bench.towers.inputs.captions import captions
from bench.towers.inputs.pictures import picture
from twinlens.demo.samples import bundled_drawings

SEED: Final = 23
ENCODINGS: Final = (("png", {}), ("jpg", {"quality": 90}), ("webp", {"quality": 90}))
SIDES_PX: Final = (60, 700)
TEXTS: Final = "texts.json"


def write_inputs(folder: Path, n_pictures: int, n_texts: int) -> None:
    """Write that many pictures, in turn PNG, JPEG and WebP of any shape, and the texts."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    drawings = [Image.open(drawing.path).convert("RGBA") for drawing in bundled_drawings()]
    for number in range(n_pictures):
        width, height = random.integers(*SIDES_PX, 2)
        pixels = picture(random, drawings, int(max(width, height)))[:height, :width]
        name, options = ENCODINGS[number % len(ENCODINGS)]
        Image.fromarray(pixels).save(folder / f"{number:04d}.{name}", **options)
    (folder / TEXTS).write_text(json.dumps(captions(n_texts, SEED)), encoding="utf-8")
