"""Parquet files: every error is ours, and a damaged row group is told and passed over."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from twinlens.datasets.embedding_parquet import parquet_blocks
from twinlens.datasets.formats import parquet_file
from twinlens.datasets.formats.parquet_file import ParquetBatch, ParquetDamage, cells, open_parquet
from twinlens.datasets.read_images import read_images
from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import DatasetError, ImageError, PairsError, TwinlensError

IMAGES = [np.random.default_rng(number).bytes(50) for number in range(20)]
TABLE = pa.table(
    {
        "image": [{"bytes": image, "path": None} for image in IMAGES],
        "text": [["a", "ä"]] * 20,
        "embedding": [[1.0, 2.0]] * 20,
        "id": [f"image {number}" for number in range(20)],
    }
)
READERS: dict[str, Callable[[Path], object]] = {
    "images": lambda path: list(read_images(path)),
    "pairs": read_pairs,
    "embeddings": lambda path: list(parquet_blocks(path, ids="id")),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four row groups of five rows, with checksums of their pages."""
    parquet.write_table(
        TABLE,
        tmp_path / "t.parquet",
        row_group_size=5,
        compression="none",
        use_dictionary=False,
        write_page_checksum=True,
    )
    return tmp_path / "t.parquet"


def with_damaged_group(path: Path) -> Path:
    """Cut the pages of the second row group, so that they cannot be parsed."""
    column = parquet.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = column.data_page_offset
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    return path


def with_renamed_column(path: Path) -> Path:
    """Rename a column to bytes that are not UTF-8."""
    parquet.write_table(pa.table({"picture": IMAGES}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"picture", b"pic\x97ure"))
    return path


def with_damaged_schema(path: Path) -> Path:
    """Damage the schema that Arrow keeps beside that of Parquet."""
    parquet.write_table(TABLE, path)
    content = path.read_bytes()
    at = content.index(b"ARROW:schema") + 20
    path.write_bytes(content[:at] + b"A" * 40 + content[at + 40 :])
    return path


def test_a_damaged_row_group_is_told_and_passed_over(path: Path) -> None:
    with open_parquet(with_damaged_group(path)) as file:
        found = list(file.batches(["id"], n_rows=3))
        assert [batch.first_row for batch in found] == [0, 3, 5, 8, 10, 13, 15, 18]
        found = list(file.batches(["image"], n_rows=3))
    assert [(type(batch), batch.first_row) for batch in found] == [
        (ParquetBatch, 0),
        (ParquetBatch, 3),
        (ParquetDamage, 5),
        (ParquetBatch, 10),
        (ParquetBatch, 13),
        (ParquetBatch, 15),
        (ParquetBatch, 18),
    ]


def test_a_damaged_row_group_is_one_lost_image_and_no_pair(path: Path) -> None:
    found = list(read_images(with_damaged_group(path)))
    assert [image for _, image in found[:5] + found[6:]] == IMAGES[:5] + IMAGES[10:]
    assert found[5].name == f"{path}/5"
    with pytest.raises(ImageError, match=r"t\.parquet cannot be read as Parquet: .*from row 5"):
        raise found[5].image  # type: ignore[misc]
    with pytest.raises(PairsError, match="from row 5"):
        read_pairs(path)
    assert len(read_pairs(path, on_error="skip")) == 2 * 15


@pytest.mark.parametrize("damage", [with_renamed_column, with_damaged_schema])
@pytest.mark.parametrize("reader", READERS)
def test_no_error_of_pyarrow_leaks(path: Path, damage: Callable[[Path], Path], reader: str) -> None:
    with pytest.raises((DatasetError, PairsError), match=r"t\.parquet"):
        READERS[reader](damage(path))


@pytest.mark.parametrize("reader", READERS)
def test_no_mutation_gives_a_foreign_error(path: Path, reader: str) -> None:
    rng, whole = np.random.default_rng(0), path.read_bytes()
    for _ in range(100):
        content = bytearray(whole)
        # The footer, where names, types and places are, and the pages.
        start = int(rng.choice([0, len(content) - 1500]))
        for place in rng.integers(start, len(content), 3):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        # Of embeddings, a list that is null or of another length is a ValueError.
        ours = (TwinlensError, ValueError) if reader == "embeddings" else TwinlensError
        with suppress(ours):
            READERS[reader](path)


def test_a_text_that_is_not_utf8_is_one_lost_cell() -> None:
    array = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], "i4")), pa.py_buffer(b"a\xff")]
    )
    good, bad = cells(array)
    assert good == "a"
    assert isinstance(bad, DatasetError)


def test_a_row_group_that_is_small_on_disk_and_huge_in_memory_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_file, "MIN_EXPANDED", 1000)
    monkeypatch.setattr(parquet_file, "MAX_EXPANSION", 2)
    bomb = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"image": [bytes(100_000)]}), bomb, compression="zstd")
    (found,) = read_images(bomb)
    assert isinstance(found.image, ImageError)
    assert "row group 0 expands to" in str(found.image)


def test_columns_are_wanted_once(path: Path) -> None:
    with open_parquet(path) as file, pytest.raises(DatasetError, match="has no column 'photo'"):
        file.require_columns(["id", "photo"])


def test_a_pipe_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.parquet")
    for read in READERS.values():
        with pytest.raises((DatasetError, PairsError), match="is no regular file"):
            read(tmp_path / "t.parquet")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(parquet_blocks(tmp_path / "t.parquet"))


def test_a_pyarrow_that_reads_no_lost_item_is_named_with_its_cure(path: Path) -> None:
    def read() -> None:
        raise pa.ArrowInvalid("Expected all lists to be of size=192 but index 6 had size=0")

    with open_parquet(path) as file, pytest.raises(DatasetError, match="; install pyarrow 26"):
        file._ours(read)
