"""Bulk jobs killed at each step of their writing; a script, because fork needs a single thread.

    killed_jobs.py BUNDLE FOLDER STRIDE

A job of 12 images, two of them unreadable, is killed at every so many steps of its writing, and so
is one that tries the lost ones again. A step is a call, or a return, in the files that write. After
each kill the next job must make the folder whole: each name once, and each row to the bit that of
`embed_images`. Prints the number of kills.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np
import pyarrow.parquet as pq
from dying import dies

import twinlens

WRITING = ("/twinlens/durable/", "/twinlens/bulk/folder.py", "/pyarrow/parquet/core.py")
OPTIONS = twinlens.BulkOptions(part_rows=5)
BAD = (2, 8)


class Jobs:
    """Jobs over arrays, some of which are no images until they are mended."""

    def __init__(self, bundle: str, place: Path, stride: int) -> None:
        self._model = twinlens.load(bundle, device="cpu", threads=1)
        rng = np.random.default_rng(0)
        self._good = list(rng.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8))
        self._torn = [np.zeros(3) if n in BAD else image for n, image in enumerate(self._good)]
        self._wanted = self._model.embed_images(self._good)
        self._place, self._stride = place, stride

    def first(self, out: Path) -> None:
        twinlens.embed_to_parquet(self._model, self._torn, out=out, options=OPTIONS)

    def again(self, out: Path) -> None:
        options = replace(OPTIONS, retry_lost=True)
        twinlens.embed_to_parquet(self._model, self._good, out=out, options=options)

    def check(self, out: Path, *, mended: bool) -> None:
        """Assert that every part is whole, and what a finished job has left."""
        rows = [
            row for part in sorted(out.glob("*.parquet")) for row in pq.read_table(part).to_pylist()
        ]
        names = [row["name"] for row in rows]
        assert sorted(names) == sorted(f"image {number}" for number in range(12)), names
        for row in rows:
            number = int(row["name"].removeprefix("image "))
            lost = number in BAD and not mended
            assert (row["embedding"] is None) == (row["lost"] is not None) == lost, row
            if not lost:
                assert np.array_equal(np.float32(row["embedding"]), self._wanted[number])
        assert not list(out.glob(".*.draft"))

    def by_steps(self) -> int:
        whole = self._place / "whole"
        self.first(whole)
        deaths = self._each(self.first, lambda _: None, mended=False)
        return deaths + self._each(self.again, lambda out: shutil.copytree(whole, out), mended=True)

    def _each(
        self, act: Callable[[Path], None], prepare: Callable[[Path], object], *, mended: bool
    ) -> int:
        deaths, step, dead = 0, 0, True
        while dead:
            out = self._place / "out"
            prepare(out)
            dead = dies(act, out, step, counts=is_written)
            act(out)
            self.check(out, mended=mended)
            shutil.rmtree(out)
            deaths, step = deaths + dead, step + self._stride
        return deaths


def is_written(frame: FrameType, _event: str, _function: object) -> bool:
    """Return True for each step of the code that writes."""
    return any(place in frame.f_code.co_filename for place in WRITING)


if __name__ == "__main__":
    # fsync guards against power failure, not against a killed process, and takes most of the time.
    os.fsync = lambda _: None  # type: ignore[assignment]
    print(Jobs(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])).by_steps())  # noqa: T201
