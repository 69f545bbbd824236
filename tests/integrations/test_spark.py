"""Spark embeds pictures in its Python workers, and a stream goes on where it stopped."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docstring_example import run_example
from picture_folder import assert_rows_of_pictures, write_pictures

import twinlens

sql = pytest.importorskip("pyspark.sql", reason="needs the integrations extra")
pa = pytest.importorskip("pyarrow", reason="needs the parquet extra")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the parquet extra")

from twinlens.integrations import spark as integration  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    # Spark leaves the sockets to its Java process open to the end.
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            sql.SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.driver.memory", "512m")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


def write_source(folder: Path, number: int, paths: list[Path]) -> None:
    columns = {"path": [str(p) for p in paths], "content": [p.read_bytes() for p in paths]}
    folder.mkdir(exist_ok=True)
    parquet.write_table(pa.table(columns), folder / f"{number}.parquet")


def test_the_example_embeds_files_and_the_next_run_only_new_ones(
    spark: Any,  # noqa: ANN401  a session of Spark
    tmp_path: Path,
) -> None:
    paths = write_pictures(tmp_path / "files", 12)
    places = {name: str(tmp_path / name) for name in ("photos", "embeddings", "progress")}
    for number, part in enumerate((paths[:5], paths[5:])):
        write_source(tmp_path / "photos", number, part)
        run_example(integration, {"spark": spark}, places=places)
    table = parquet.read_table(tmp_path / "embeddings")
    assert_rows_of_pictures(table, paths, twinlens.load("demo"))
