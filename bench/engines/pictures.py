"""Pictures in Parquet files: drawings of the demo model, each moved by some pixels, some torn."""

import io
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from PIL import Image, ImageChops
from pyarrow import parquet

from twinlens.demo.samples import bundled_drawings

FILES: Final = 8
ONE_TORN_IN: Final = 200
_SEED: Final = 15


def write_pictures(folder: Path, n_pictures: int) -> list[Path]:
    """Return eight files of pictures {name, image}, made if they are not there.

    One in 200 is cut in the middle.
    """
    paths = [folder / f"{n_pictures}-{file}.parquet" for file in range(FILES)]
    if paths[-1].exists():
        return paths
    drawings = [Image.open(drawing.path).convert("RGB") for drawing in bundled_drawings()]
    random = np.random.default_rng(_SEED)
    for path, numbers in zip(paths, np.array_split(np.arange(n_pictures), FILES), strict=True):
        contents = [_content(drawings, number, random) for number in numbers.tolist()]
        names = [f"{number}.png" for number in numbers.tolist()]
        parquet.write_table(pa.table({"name": names, "image": contents}), path, row_group_size=256)
    return paths


def n_torn(n_pictures: int) -> int:
    """Return the number of torn pictures among so many."""
    return len(range(0, n_pictures, ONE_TORN_IN))


def _content(drawings: list[Image.Image], number: int, random: np.random.Generator) -> bytes:
    moved = ImageChops.offset(
        drawings[number % len(drawings)], *random.integers(-9, 10, 2).tolist()
    )
    file = io.BytesIO()
    moved.save(file, "PNG")
    content = file.getvalue()
    return content[: len(content) // 2] if number % ONE_TORN_IN == 0 else content
