"""The job of `power_cuts`, in a process of its own whose system calls are recorded.

    python -m bench.bulk.traced_job FOLDER COUNT

Embeds arrays, some of which are no images; then embeds them again, mended, as lost items.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

import twinlens
from bench.bulk.models import tiny_model
from bench.bulk.pictures import arrays
from twinlens import Model, NamedImage

FIRST: Final = twinlens.BulkOptions(part_rows=10)
AGAIN: Final = twinlens.BulkOptions(part_rows=10, retry_lost=True)


def torn(count: int) -> Iterator[NamedImage]:
    """Yield pictures, of which every seventh is none."""
    for number, image in enumerate(arrays(count)):
        yield NamedImage(image.name, np.zeros(3)) if number % 7 == 3 else image


def first(model: Model, out: Path, count: int) -> None:
    twinlens.embed_to_parquet(model, torn(count), out=out, options=FIRST)


def again(model: Model, out: Path, count: int) -> None:
    twinlens.embed_to_parquet(model, arrays(count), out=out, options=AGAIN)


if __name__ == "__main__":
    opened, place, number = tiny_model(threads=1), Path(sys.argv[1]), int(sys.argv[2])
    first(opened, place, number)
    again(opened, place, number)
