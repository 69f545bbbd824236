"""A folder of pictures with a torn one, and the check of the rows that an engine makes of it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens import Model
from twinlens.demo.samples import bundled_drawings

TORN = "torn.png"


def write_pictures(folder: Path, n_pictures: int = 24) -> list[Path]:
    """Return the paths of drawings, and of a torn one behind them."""
    folder.mkdir()
    for drawing in bundled_drawings()[:n_pictures]:
        shutil.copy(drawing.path, folder)
    whole = sorted(folder.iterdir())
    (folder / TORN).write_bytes(whole[0].read_bytes()[:100])
    return [*whole, folder / TORN]


def read_embeddings(folder: Path) -> Any:  # noqa: ANN401  pyarrow's table
    """Read a folder of Parquet by polars: pyarrow below 26 reads no fixed-size list with a null."""
    return pytest.importorskip("polars").read_parquet(f"{folder}/**/*.parquet").to_arrow()


def assert_rows_of_pictures(table: Any, paths: list[Path], model: Model) -> None:  # noqa: ANN401  pyarrow's
    """Compare a table {name, embedding, lost} with the model's own rows, whatever its order."""
    rows = {row["name"].rsplit("/", 1)[-1]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == len(paths)
    torn = rows.pop(TORN)
    assert torn["embedding"] is None
    assert "truncated" in torn["lost"] or "decoded" in torn["lost"]
    assert all(row["lost"] is None for row in rows.values())
    found = np.array([rows[path.name]["embedding"] for path in paths[:-1]], dtype=np.float32)
    np.testing.assert_array_equal(found, model.embed_images(paths[:-1]))
