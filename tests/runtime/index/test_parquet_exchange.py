"""Index written to Parquet, and indexes made of Parquet files and folders."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import exchanged_index
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

import twinlens
from twinlens.datasets.formats.embedding_schema import embedding_schema
from twinlens.errors import DatasetError, IdError
from twinlens.index.index import Index
from twinlens.normalization import unit_rows

ROWS = unit_rows(np.random.default_rng(0).standard_normal((40, 24)))
NAMES = [f"é {number}" for number in range(40)]
ABOUT = {"model": "clip-b32", "precision": "int8"}


def table(
    start: int,
    stop: int,
    *,
    about: dict[str, str] = ABOUT,
    lost: tuple[int, ...] = (),
) -> pa.Table:
    """Shard of a folder of embeddings, as `twinlens embed` writes one."""
    numbers = range(start, stop)
    schema = embedding_schema(24, key="name", about=about, more={"modality": "image"})
    return pa.table(
        {
            "name": [NAMES[row] for row in numbers],
            "embedding": [None if row in lost else ROWS[row] for row in numbers],
            "lost": ["it is no image" if row in lost else None for row in numbers],
        },
        schema=schema,
    )


@pytest.mark.parametrize("ids", [None, range(-9, 31), NAMES])
@pytest.mark.parametrize("disk", [False, True])
def test_an_index_comes_back_to_the_bit(
    tmp_path: Path, ids: range | list[str] | None, disk: bool
) -> None:
    index = Index.build(ROWS, ids=ids, about=ABOUT)
    index.remove(index.ids[3:6])
    index.to_parquet(tmp_path / "rows.parquet")
    path = tmp_path / "index" if disk else None
    again = Index.from_parquet(str(tmp_path / "rows.parquet"), path, residual=True)
    assert again.about == ABOUT
    assert (len(again), again.n_rows) == (37, 37)
    assert again.ids.tolist() == (list(range(37)) if ids is None else index.ids.tolist())
    np.testing.assert_array_equal(again.get(again.ids), index.get(index.ids))
    if disk:
        assert Index.open(tmp_path / "index", verify=True).about == ABOUT


def test_other_libraries_read_the_file(tmp_path: Path) -> None:
    index = Index.build(ROWS, ids=NAMES, about=ABOUT)
    index.to_parquet(tmp_path / "rows.parquet")
    frame = pd.read_parquet(tmp_path / "rows.parquet")
    assert list(frame.columns) == ["name", "embedding", "lost"]
    assert frame["name"].tolist() == NAMES
    np.testing.assert_array_equal(np.stack(list(frame["embedding"])), ROWS)
    column = pl.read_parquet(tmp_path / "rows.parquet")["embedding"]
    assert column.dtype == pl.Array(pl.Float32, 24)
    np.testing.assert_array_equal(Index.build(column).get(range(40)), ROWS)
    file = parquet.ParquetFile(tmp_path / "rows.parquet")
    assert file.metadata.row_group(0).column(1).compression == "ZSTD"
    assert file.schema_arrow == table(0, 0).schema


def test_half_precision_halves_the_numbers(tmp_path: Path) -> None:
    Index.build(ROWS, ids=NAMES).to_parquet(tmp_path / "half.parquet", dtype="float16")
    half = Index.from_parquet(tmp_path / "half.parquet")
    column = parquet.read_table(tmp_path / "half.parquet")["embedding"]
    assert column.type == pa.list_(pa.float16(), 24)
    cosines = np.sum(half.get(NAMES).astype(np.float64) * ROWS, axis=1)
    assert (1 - cosines < 5e-4).all()
    assert half.search(ROWS, k=1).rows[:, 0].tolist() == list(range(40))
    with pytest.raises(ValueError, match="dtype is 'int8', wanted 'float32' or 'float16'"):
        half.to_parquet(tmp_path / "x.parquet", dtype="int8")  # type: ignore[arg-type]


def test_a_folder_is_read_without_what_was_lost(tmp_path: Path) -> None:
    parquet.write_table(table(10, 40, lost=(10, 17, 39)), tmp_path / "b.parquet", row_group_size=8)
    parquet.write_table(table(0, 10), tmp_path / "a.parquet")
    for name in (".draft.parquet", "_finished.parquet", "notes.txt"):
        (tmp_path / name).write_text("not Parquet")
    index = Index.from_parquet(tmp_path)
    kept = [row for row in range(40) if row not in {10, 17, 39}]
    assert index.ids.tolist() == [NAMES[row] for row in kept]
    np.testing.assert_array_equal(index.get(index.ids), ROWS[kept])
    assert index.about == ABOUT


def test_a_folder_without_rows_is_an_index_of_its_width(tmp_path: Path) -> None:
    Index.build(ROWS[:0], about=ABOUT).to_parquet(tmp_path / "none.parquet")
    parquet.write_table(table(3, 5, lost=(3, 4)), tmp_path / "lost.parquet")
    for name in ("none", "lost"):
        index = Index.from_parquet(tmp_path / f"{name}.parquet")
        assert (len(index), index.width, index.about) == (0, 24, ABOUT)
        index.add(ROWS, NAMES)
        assert index.ids.tolist() == NAMES


def test_files_of_other_programs_are_read_by_their_columns(tmp_path: Path) -> None:
    lists = pa.array(list(ROWS), pa.list_(pa.float64()))
    parquet.write_table(pa.table({"id": range(40), "embedding": lists}), tmp_path / "x.parquet")
    index = Index.from_parquet(tmp_path / "x.parquet")
    assert (index.ids.tolist(), index.about) == (list(range(40)), {})
    np.testing.assert_array_equal(index.get(range(40)), ROWS)


def metadata(content: bytes) -> Callable[[Path], None]:
    return lambda folder: parquet.write_table(
        table(0, 4).replace_schema_metadata({b"twinlens": content}), folder / "a.parquet"
    )


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: None, "has no file \\*.parquet; name a folder of embeddings"),
        (
            lambda folder: parquet.write_table(
                table(0, 4, about={**ABOUT, "precision": "fp32"}), folder / "b.parquet"
            ),
            r"b\.parquet was made by .*fp32.*, a\.parquet by .*int8.*; embed both with the same",
        ),
        (
            lambda folder: parquet.write_table(table(0, 4).drop(["name"]), folder / "b.parquet"),
            r"b\.parquet has other columns than a\.parquet",
        ),
        (
            lambda folder: Index.build(ROWS[:, 1:], ids=NAMES, about=ABOUT).to_parquet(
                folder / "b.parquet"
            ),
            r"b\.parquet has width 23, a\.parquet has 24; embed both",
        ),
        (
            lambda folder: parquet.write_table(
                table(0, 4).append_column("id", [range(4)]), folder / "a.parquet"
            ),
            r"a\.parquet has both columns name and id, wanted one of ids",
        ),
        (
            lambda folder: parquet.write_table(
                table(0, 4).drop(["embedding"]), folder / "a.parquet"
            ),
            r"a\.parquet has no column 'embedding'; its columns are name, lost",
        ),
        (metadata(b"{"), r"a\.parquet cannot be read: the metadata is damaged"),
        (metadata(b'{"format": 1}'), r"a\.parquet cannot be read: the metadata is damaged"),
        (metadata(b'{"format": 1, "about": {"a": 1}}'), "about is .* wanted an object of strings"),
        (metadata(b'{"format": 2, "about": {}}'), "has format 2, this twinlens reads 1"),
    ],
)  # fmt: skip
def test_what_is_no_folder_of_embeddings_is_refused(
    tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    if message.startswith("b"):
        parquet.write_table(table(4, 8), tmp_path / "a.parquet")
    write(tmp_path)
    with pytest.raises(DatasetError, match=message):
        Index.from_parquet(tmp_path)


def test_a_row_without_embedding_and_reason_is_named(tmp_path: Path) -> None:
    shard = table(0, 9, lost=(2, 6))
    reasons = pa.array([None, None, "no image", *[None] * 6], pa.string())
    parquet.write_table(shard.set_column(2, shard.field(2), reasons), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"of .*a\.parquet is null in row 6; leave out rows"):
        Index.from_parquet(tmp_path)


def test_a_name_that_two_files_have_is_named(tmp_path: Path) -> None:
    parquet.write_table(table(0, 9), tmp_path / "a.parquet")
    parquet.write_table(table(8, 12), tmp_path / "b.parquet")
    with pytest.raises(IdError, match="id 'é 8' is given twice"):
        Index.from_parquet(tmp_path, tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    Index.build(ROWS[:1], ids=["caf\udce9.jpg"]).to_parquet(tmp_path / "a.parquet")
    assert Index.from_parquet(tmp_path / "a.parquet").ids.tolist() == [r"caf\udce9.jpg"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, path = Index.build(ROWS, ids=NAMES), tmp_path / "rows.parquet"
    index.to_parquet(path)

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    index.remove(NAMES[:1])
    with pytest.raises(OSError, match="no space left"):
        index.to_parquet(path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]
    assert len(Index.from_parquet(path)) == 40
    index.to_parquet(path)
    assert len(Index.from_parquet(path)) == 39
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        index.to_parquet(tmp_path)


def test_memory_holds_a_few_blocks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, exchanged_index.__file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    of_numpy, of_arrow = map(int, done.stdout.split())
    assert of_numpy < 65e6  # 52 MB are blocks
    assert of_arrow < 25e6


def test_the_names_of_the_face_read_and_write() -> None:
    assert issubclass(twinlens.Index, twinlens.IndexReader)
    assert isinstance(twinlens.Index.build(ROWS).writer(), twinlens.RowWriter)


def test_a_flipped_bit_is_never_another_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    Index.build(ROWS, ids=NAMES, about=ABOUT).to_parquet(path)
    content, wanted = path.read_bytes(), Index.from_parquet(path).get(NAMES)
    # Pages and their checksums come first; the footer behind them has none.
    pages = parquet.ParquetFile(path).metadata.row_group(0).column(1)
    assert pages.path_in_schema.startswith("embedding")
    first = pages.data_page_offset + 60  # behind the header of the page
    for place in range(first, pages.data_page_offset + pages.total_compressed_size, 37):
        torn = bytearray(content)
        torn[place] ^= 4
        path.write_bytes(torn)
        with pytest.raises(DatasetError, match="cannot be read as Parquet"):
            Index.from_parquet(path)
    path.write_bytes(content)
    np.testing.assert_array_equal(Index.from_parquet(path).get(NAMES), wanted)


def test_lost_items_are_left_out_of_a_file_that_polars_wrote_again(tmp_path: Path) -> None:
    parquet.write_table(table(0, 40, lost=(3, 5)), tmp_path / "a.parquet")
    pl.read_parquet(tmp_path / "a.parquet").write_parquet(tmp_path / "b.parquet")
    index = Index.from_parquet(tmp_path / "b.parquet")
    kept = [row for row in range(40) if row not in {3, 5}]
    assert index.ids.tolist() == [NAMES[row] for row in kept]
    np.testing.assert_array_equal(index.get(index.ids), ROWS[kept])


def test_a_place_in_no_folder_is_named_as_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder; make it first"):
        Index.build(ROWS).to_parquet(tmp_path / "nowhere" / "rows.parquet")
