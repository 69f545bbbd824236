"""What one writes in an afternoon around a session: Pillow, numpy, the tokenizer's file."""

from typing import Final

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from bench.towers.inputs.workspace import F32, I64, U8, Ground

TEXT: Final = "a red apple on a table"
SIDE_PX: Final = 224


def photo_pixels(ground: Ground) -> U8:
    """[1, S, S, 3]: open, convert, resize, crop."""
    with Image.open(ground.photo) as image:
        rgb = image.convert("RGB")
    width, height = rgb.size
    short = min(width, height)
    size = (SIDE_PX * width // short, SIDE_PX * height // short)
    small = rgb.resize(size, Image.Resampling.BICUBIC)
    left, top = ((whole - SIDE_PX) // 2 for whole in size)
    return np.asarray(small.crop((left, top, left + SIDE_PX, top + SIDE_PX)))[None]


def text_ids(ground: Ground) -> I64:
    """[1, T]"""
    tokenizer = Tokenizer.from_file(str(ground.checkpoint / "tokenizer.json"))
    return np.array([tokenizer.encode(TEXT).ids], dtype=np.int64)


def unit_row(row: F32) -> F32:
    return row / np.linalg.norm(row)
