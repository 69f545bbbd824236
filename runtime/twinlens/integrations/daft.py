"""Embeddings by Daft: processes of one thread each, as many as cores.

    import daft
    from twinlens.integrations.daft import embed
    from twinlens.integrations.embedding_job import EmbeddingJob

    photos = daft.from_glob_path("photos/**")
    photos = photos.with_column("image", daft.col("path").download(on_error="null"))
    job = EmbeddingJob("demo", image="image", name="path")
    embed(photos, job, processes=2).write_parquet("embeddings")

A job that was stopped goes on with the rows that are not written yet:

    done = daft.read_parquet("embeddings/*.parquet")
    left = photos.join(done, left_on="path", right_on="name", how="anti")
    embed(left, job, processes=2).write_parquet("embeddings")

Without `write_mode="overwrite"`, Daft writes new files beside those of the first run. A file that a
kill cut off has no footer: Daft names it, and it is to be deleted before.
"""

from typing import Any, Final, TypeAlias

import daft
from daft import DataType

from twinlens.datasets.formats.embedding_schema import EMBEDDING, LOST, NAME
from twinlens.integrations.arrow_batches import embed_cells
from twinlens.integrations.embedding_job import EmbeddingJob, model_of

DataFrame: TypeAlias = Any
"""A DataFrame of Daft."""
Series: TypeAlias = Any
"""A Series of Daft."""

ROWS_AT_ONCE: Final = 256
"""Rows of a batch: a process holds their encoded images."""


def embed(
    frame: DataFrame,
    job: EmbeddingJob,
    *,
    processes: int = 1,
    gpus: float = 0,
    batch_rows: int = ROWS_AT_ONCE,
) -> DataFrame:
    """Return the rows {name, embedding, lost} of a frame, computed as they are asked for.

    An item that cannot be read is a row without an embedding, with the reason in `lost`. Images are
    also columns of Daft's own type.

    Args:
        frame: has the columns of the job.
        job: columns and model.
        processes: processes at once, which each open the model.
        gpus: share of a GPU that each process has.
        batch_rows: rows that a process is given at once.

    Raises:
        BundleError: the bundle is not whole.
        ValueError: a column is missing.
    """
    job.require_columns(frame.column_names)
    dtype = DataType.struct(
        {
            NAME: DataType.string(),
            EMBEDDING: DataType.fixed_size_list(DataType.float32(), job.width),
            LOST: DataType.string(),
        }
    )
    batched = daft.method.batch(return_dtype=dtype, unnest=True, batch_size=batch_rows)

    # Daft reads the type of the rows from the class, and it depends on the bundle.
    class Embedder:
        def __init__(self) -> None:
            self._model = model_of(job)

        def embed(self, items: Series, names: Series | None) -> Any:  # noqa: ANN401  pyarrow's array
            called = None if names is None else names.to_pylist()
            return embed_cells(self._model, job, items.to_pylist(), called).to_struct_array()

        rows = batched(embed)

    made = daft.cls(gpus=gpus, max_concurrency=processes, use_process=True)(Embedder)()
    names = None if job.name is None else frame[job.name]
    return frame.select(made.rows(frame[job.column], names))
