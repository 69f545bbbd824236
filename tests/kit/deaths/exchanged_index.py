"""Indexes of 33 MB each, written to Parquet, read from it and merged, in a process of its own.

Prints the peak of numpy's memory beyond that of the index, and the peak of pyarrow's, in bytes.
"""

import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twinlens.index import blocks as index_blocks
from twinlens.index.index import Index

N_BLOCKS, BLOCK_ROWS, WIDTH = 32, 4000, 64


def blocks(name: str) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    pick = np.random.default_rng(0)
    for number in range(N_BLOCKS):
        names = [f"{name} {number} {row}" for row in range(BLOCK_ROWS)]
        yield names, pick.standard_normal((BLOCK_ROWS, WIDTH), dtype=np.float32)


def main(place: Path) -> None:
    index_blocks.SAMPLE_ROWS = 2**12  # type: ignore[misc]  the sample of a new index is 8 MB
    first = Index.write(place / "first", blocks("a"))
    second = Index.write(place / "second", blocks("b"))
    tracemalloc.start()
    first.to_parquet(place / "rows.parquet")
    read = Index.from_parquet(place / "rows.parquet", place / "read")
    read.merge(second)
    assert len(read) == 2 * N_BLOCKS * BLOCK_ROWS
    print(tracemalloc.get_traced_memory()[1], pa.default_memory_pool().max_memory())  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
