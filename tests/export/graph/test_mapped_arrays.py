"""Arrays moved to a file without a name, and given back."""

import gc
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from twinlens_export.graph.graph import Array
from twinlens_export.graph.mapped_arrays import on_disk, release

pytestmark = pytest.mark.export


@dataclass(frozen=True)
class Part:
    weight: Array
    parts: "tuple[Part, ...]" = ()
    bias: Array | None = None
    name: str = "part"


SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7)
LEAVES = st.one_of(arrays(np.float32, SHAPES), arrays(np.int8, SHAPES), arrays(np.float64, SHAPES))
VALUES = st.recursive(
    st.builds(Part, LEAVES),
    lambda parts: st.builds(
        Part, LEAVES.map(np.transpose), st.tuples(parts, parts), st.none() | LEAVES
    ),
    max_leaves=5,
)


def every(part: Part) -> list[Array]:
    own = [part.weight] if part.bias is None else [part.weight, part.bias]
    return own + [array for inner in part.parts for array in every(inner)]


@given(VALUES)
def test_the_value_stays_the_same(value: Part) -> None:
    moved = on_disk(value, Path())
    assert len(every(moved)) == len(every(value))
    for _ in range(2):
        for got, wanted in zip(every(moved), every(value), strict=True):
            assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
            assert got.tobytes() == wanted.tobytes()
        release(every(moved))
    assert not list(Path().glob("tmp*"))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_released_arrays_are_not_resident_and_the_file_goes_with_them(tmp_path: Path) -> None:
    def pages() -> tuple[int, int]:
        gc.collect()
        text = Path("/proc/self/smaps").read_text()
        mine = [block for block in text.split("VmFlags:") if str(tmp_path) in block]
        return len(mine), sum(int(block.split("Rss:")[1].split()[0]) for block in mine)

    value = Part(np.ones((1024, 1024), np.float32), bias=np.ones(1, np.float32))
    moved = on_disk(value, tmp_path)
    assert moved.weight.sum() == 2**20
    number, resident_kb = pages()
    assert (number, resident_kb // 4096) == (1, 1)
    release([moved.weight.T])
    assert pages() == (1, 0)
    assert not list(tmp_path.iterdir())
    del moved
    assert pages() == (0, 0)
