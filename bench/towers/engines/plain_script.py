"""Plain script around a session: Pillow, numpy, the tokenizer's file."""

from typing import Final

import numpy as np
from tokenizers import Tokenizer

from bench.harness.plain_pillow import plain_pixels
from bench.towers.inputs.workspace import I64, U8, Workspace

TEXT: Final = "a red apple on a table"


def photo_pixels(workspace: Workspace) -> U8:
    """Return the pixels [1, S, S, 3] of the photo."""
    return plain_pixels(workspace.photo)[None]


def text_ids(workspace: Workspace) -> I64:
    """Return the ids [1, T] of TEXT."""
    tokenizer = Tokenizer.from_file(str(workspace.checkpoint / "tokenizer.json"))
    return np.array([tokenizer.encode(TEXT).ids], dtype=np.int64)
