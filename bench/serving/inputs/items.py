"""Items that are embedded: captions of some 12 tokens, and JPEG files of 640 x 480 pixels."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from bench.towers.inputs.captions import captions
from bench.towers.inputs.pictures import pictures
from bench.towers.inputs.workspace import Workspace

CAPTIONS: Final = 128
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
    lengths = {text: len(tokenizer.encode(text).ids) for text in captions(256, seed=1)}
    usual = [text for text, n in lengths.items() if LEAST_TOKENS <= n <= MOST_TOKENS]
    (folder / "captions.json").write_text(json.dumps(usual[:CAPTIONS]), encoding="utf-8")
