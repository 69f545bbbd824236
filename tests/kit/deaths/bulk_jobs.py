"""Jobs of small parts, and the check of the folders that they write."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import twinlens
from twinlens import Batch, BulkOptions, Model

SMALL = BulkOptions(part_rows=8)


def embed(
    model: Model, source: Path | Batch[Any], out: Path, **chosen: object
) -> twinlens.BulkReport:
    options = replace(SMALL, **chosen)  # type: ignore[arg-type]
    items = twinlens.read_images(source) if isinstance(source, Path) else source
    return twinlens.embed_to_parquet(model, items, out=out, options=options)


def table_in(out: Path) -> dict[str, tuple[Any, str | None]]:
    """Embedding and reason of each name; a name that is there twice is an error."""
    found: dict[str, tuple[Any, str | None]] = {}
    for part in sorted(out.glob("part-*.parquet")):
        for row in pq.read_table(part).to_pylist():
            assert row["name"] not in found
            found[row["name"]] = (row["embedding"], row["lost"])
    return found


def rows_of(model: Model, out: Path, folder: Path) -> None:
    """Assert that the folder has the rows of `embed_images`, to the bit."""
    paths = sorted(map(str, folder.glob("*.png")))
    wanted = model.embed_images(paths, on_error="nan")
    found = table_in(out)
    assert sorted(found) == paths
    for path, row in zip(paths, wanted, strict=True):
        embedding, lost = found[path]
        assert (embedding is None) == (lost is not None) == bool(np.isnan(row[0]))
        if embedding is not None:
            np.testing.assert_array_equal(np.float32(embedding), row)
