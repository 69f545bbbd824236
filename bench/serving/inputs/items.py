"""Items that are embedded: captions of some 12 tokens, and JPEG files of 640 x 480 pixels."""

import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from bench.towers.inputs.pictures import pictures
from bench.towers.inputs.workspace import Workspace

CAPTIONS: Final = 2048
"""Of a few, a batch would hold some twice, and `embed_texts` embeds equal texts once."""
WHO: Final = ("man", "woman", "child", "dog", "small cat", "painter", "cyclist", "nurse")
LIKE: Final = ("A young", "A tall", "A tired", "A happy", "One")
DOES: Final = ("stands", "sits", "waits", "walks slowly", "looks around", "is playing")
WHERE: Final = (
    "in a kitchen",
    "by a red bicycle",
    "on the beach",
    "under a large umbrella",
    "at a brick wall",
    "beside a table",
    "near the old harbour",
)
WITH: Final = (".", " with a camera.", " in the rain.", " at night.")
PICTURES: Final = 48
PHOTO_PX: Final = (640, 480)
QUALITY: Final = 90
LEAST_TOKENS, MOST_TOKENS = 10, 14
"""Marks included, in OpenAI's vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Captions, and encoded pictures."""

    captions: list[str]
    pictures: list[bytes]

    @classmethod
    def read(cls, folder: Path) -> "Items":
        texts = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
        files = sorted((folder / "pictures").iterdir())
        return cls(captions=texts, pictures=[file.read_bytes() for file in files])


def folder_of(workspace: Workspace) -> Path:
    return workspace.folder / "serving"


def write_items(workspace: Workspace) -> None:
    """Write the items once, the same for all services."""
    folder = folder_of(workspace)
    if (folder / "captions.json").exists():
        return
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    made = pictures(PICTURES, PHOTO_PX[0], seed=1)
    for number, pixels in enumerate(made):
        landscape = pixels[: PHOTO_PX[1]]
        path = folder / "pictures" / f"{number:02}.jpg"
        Image.fromarray(np.ascontiguousarray(landscape)).save(path, quality=QUALITY)
    tokenizer = Tokenizer.from_file(str(workspace.bundle / "tokenizer.json"))
    parts = itertools.product(LIKE, WHO, DOES, WHERE, WITH)
    made_up = sorted(f"{a} {b} {c} {d}{e}" for a, b, c, d, e in parts)
    random.Random(1).shuffle(made_up)
    lengths = {text: len(tokenizer.encode(text).ids) for text in made_up}
    # The demo's own vocabulary needs more tokens for most of them.
    usual = sorted(made_up, key=lambda text: _beyond(lengths[text]))
    (folder / "captions.json").write_text(json.dumps(usual[:CAPTIONS]), encoding="utf-8")


def _beyond(tokens: int) -> int:
    """Return the tokens by which a text misses the wanted lengths."""
    return max(0, LEAST_TOKENS - tokens, tokens - MOST_TOKENS)
