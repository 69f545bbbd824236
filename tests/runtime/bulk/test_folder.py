"""Folders of embeddings: later formats, tables of somebody else, marks, and full disks."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulk_jobs import SMALL, embed, rows_of, table_in

import twinlens
from twinlens import EmbeddingsError, Model, Shard
from twinlens.bulk.job import BulkJob
from twinlens.bundle.bundle import Bundle
from twinlens.datasets.formats.embedding_schema import METADATA

Pictures = Callable[[int], Path]


def with_format(part: Path, number: int) -> None:
    """Rewrite a part as one of another format."""
    table = pq.read_table(part)
    made = json.loads(table.schema.metadata[METADATA]) | {"format": number}
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(made)}), part)


def test_a_folder_of_a_later_format_is_refused_and_stays(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(9), tmp_path / "out"
    embed(colours, folder, out)
    parts = sorted(out.glob("part-*"))
    with_format(parts[1], 2)
    pictures(12)
    with pytest.raises(EmbeddingsError, match="format 2, this twinlens reads 1; read it with the"):
        embed(colours, folder, out)
    assert sorted(out.glob("part-*")) == parts


def test_tables_of_somebody_else_are_neither_deleted_nor_to_be_deleted(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(9), tmp_path / "out"
    embed(colours, folder, out)
    sales = out / "sales.parquet"
    pq.write_table(pa.table({"price": [1, 2]}), sales)
    before = sorted(out.glob("*.parquet"))
    with pytest.raises(EmbeddingsError, match="does not say what made") as told:
        embed(colours, folder, out)
    assert "delete" not in str(told.value)
    with pytest.raises(EmbeddingsError, match=r"holds 'sales\.parquet', which no job has named"):
        BulkJob(colours, out, SMALL).run(twinlens.read_images(folder), anew=True)
    assert sorted(out.glob("*.parquet")) == before
    sales.unlink()
    report = BulkJob(colours, out, SMALL).run(twinlens.read_images(folder), anew=True)
    assert report.embedded == 9
    assert not set(out.glob("*.parquet")) & set(before)
    rows_of(colours, out, folder)


def test_new_rows_take_the_marks_of_all_jobs_that_had_their_names(
    colours: Model, tmp_path: Path
) -> None:
    out, array = tmp_path / "out", np.full((4, 4, 3), 20, dtype=np.uint8)
    items = [twinlens.NamedImage(f"picture {number}", array) for number in range(60)]
    halves = [Shard(number=number, count=2) for number in (1, 2)]
    for half in halves:
        embed(colours, items[:20], out, shard=half)

    def failing() -> Iterator[Any]:
        yield from items
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        embed(colours, failing(), out, shard=Shard(number=1, count=4))
    assert [path.name for path in out.glob("_finished*")] == ["_finished-2-of-2.json"]
    embed(colours, items, out)
    assert [path.name for path in out.glob("_finished*")] == ["_finished.json"]
    assert len(table_in(out)) == 60


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
@pytest.mark.parametrize("room", [0, 1200])
def test_a_full_disk_is_named_and_costs_no_row_that_was_written(
    bundle: Bundle, colours: Model, pictures: Pictures, tmp_path: Path, room: int
) -> None:
    folder, out = pictures(20), tmp_path / "out"
    embed(colours, islice(twinlens.read_images(folder), 8), out)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        "from twinlens.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    line = [sys.executable, "-c", script, "embed", bundle.folder, folder, "--out", out]
    done = subprocess.run(
        [*map(str, line), "--device", "cpu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert str(out) in done.stderr
    assert "File too large" in done.stderr
    assert len(table_in(out)) == 8
    assert not list(out.glob("*.draft"))
    embed(colours, folder, out)
    rows_of(colours, out, folder)
