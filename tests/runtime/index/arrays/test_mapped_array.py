"""Access hints of mapped rows: random for a search, sequential for reading all."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from twinlens.index.arrays.mapped_array import expect_scattered, read_ahead
from twinlens.index.index import Index


class Told(mmap.mmap):
    """Map that records its hints."""

    advice: list[tuple[int, ...]]

    def madvise(self, *advice: int) -> None:
        super().madvise(*advice)
        self.advice.append(advice)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    file = tmp_path / "rows"
    file.write_bytes(bytes(10 * mmap.PAGESIZE))
    with file.open("rb") as opened:
        mapped = Told(opened.fileno(), 0, access=mmap.ACCESS_READ)
    mapped.advice = []
    return mapped


@pytest.mark.skipif(not hasattr(mmap, "MADV_RANDOM"), reason="this system takes no advice")
def test_a_slice_is_asked_for_from_the_page_it_begins_in(told: Told) -> None:
    rows = np.ndarray((10 * mmap.PAGESIZE // 64, 64), dtype=np.uint8, buffer=told)
    expect_scattered(rows)
    a_page = mmap.PAGESIZE // 64
    read_ahead(rows[a_page + 1 : 3 * a_page][:, :])
    assert told.advice == [
        (mmap.MADV_RANDOM,),
        (mmap.MADV_WILLNEED, mmap.PAGESIZE, 2 * mmap.PAGESIZE),
    ]
    read_ahead(rows[5:5])
    assert len(told.advice) == 2


def test_what_is_not_mapped_is_left_alone() -> None:
    expect_scattered(np.zeros((3, 2)))
    read_ahead(np.zeros((3, 2))[1:])


def test_an_index_on_disk_is_read_whole_all_the_same(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((40_000, 3)).astype(np.float32)
    index = Index.write(tmp_path / "a.index", rows)
    index.verify()
    index.remove([7])
    index.compact()
    assert len(Index.open(tmp_path / "a.index", verify=True)) == 39_999
