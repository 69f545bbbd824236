"""Blocks of embeddings from Parquet, for an index."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import twinlens
from twinlens.index.index import Index

ROWS = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)


def write(path: Path, column: pa.Array, **more: pa.Array) -> Path:
    parquet.write_table(pa.table({"embedding": column, **more}), path, row_group_size=16)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32(), 8),
        pa.list_(pa.float64()),
        pa.large_list(pa.float16()),
    ],
)
def test_an_index_is_written_from_a_column_of_lists(tmp_path: Path, kind: pa.DataType) -> None:
    rows = ROWS.astype(np.float16) if "halffloat" in str(kind) else ROWS
    path = write(
        tmp_path / "rows.parquet",
        pa.array([list(row) for row in rows], kind),
        name=pa.array([f"image {number}" for number in range(50)]),
        number=pa.array(range(50), pa.uint32()),
    )
    blocks = twinlens.parquet_blocks(path, ids="name")
    named = Index.write(tmp_path / "index", blocks)
    assert named.search(ROWS[7], k=1).ids.tolist() == [["image 7"]]
    numbered = Index.build(twinlens.parquet_blocks(path, ids="number"))
    assert numbered.search(ROWS[7], k=1).ids.tolist() == [[7]]
    hits = Index.build(twinlens.parquet_blocks(path)).search(ROWS)
    np.testing.assert_array_equal(hits.rows, Index.build(rows).search(ROWS).rows)


def test_the_file_is_read_row_group_by_row_group(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", pa.array(list(ROWS), pa.list_(pa.float32(), 8)))
    blocks = twinlens.parquet_blocks(path)
    first = next(blocks)
    assert isinstance(first, np.ndarray)
    assert len(first) <= 50
    assert sum(len(block) for block in blocks) == 50 - len(first)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1.0, 2.0]), r"column 'embedding' of .* is double, wanted lists of floats"),
        (pa.array([["a"]]), "is list<element: string>, wanted lists of floats"),
        (pa.array([[1.0], None]), "is null in row 1; leave out"),
        (pa.array([[1.0], [2.0], [1.0, 2.0]]), "has 2 numbers in row 2, 1 in row 0"),
    ],
)
def test_a_column_of_something_else_is_refused(
    tmp_path: Path,
    column: pa.Array,
    message: str,
) -> None:
    path = write(tmp_path / "rows.parquet", column)
    with pytest.raises(ValueError, match=message):
        list(twinlens.parquet_blocks(path))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", pa.array([[1.0]]))
    with pytest.raises(ValueError, match="has no column 'id'; its columns are embedding"):
        list(twinlens.parquet_blocks(path, ids="id"))


def test_a_number_that_is_null_is_a_row_that_is_not_finite(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", pa.array([[1.0, 2.0], [None, 1.0]]))
    with pytest.raises(ValueError, match="embedding 1 holds NaN"):
        Index.build(twinlens.parquet_blocks(path))


def test_a_file_without_rows_has_no_width_unless_its_lists_have_one(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", pa.array([], pa.list_(pa.float32(), 8)))
    with pytest.raises(ValueError, match="the stream has no block"):
        Index.build(twinlens.parquet_blocks(path))
