"""Embeddings by Daft: a class of user-defined functions, one process a core, of one thread each.

    import daft
    from twinlens.integrations.daft import embed
    from twinlens.integrations.embedding_job import EmbeddingJob

    photos = daft.from_glob_path("photos/**").select("path")
    rows = embed(photos, EmbeddingJob("demo", image="path"), processes=2)
    rows.write_parquet("embeddings")
"""

from typing import TypeAlias, Any

import daft
from daft import DataType

from twinlens.datasets.formats.embedding_schema import EMBEDDING, LOST, NAME
from twinlens.integrations.arrow_batches import embed_cells, plain_cells
from twinlens.integrations.embedding_job import EmbeddingJob, model_of

DataFrame: TypeAlias = Any
"""daft's."""


def embed(frame: DataFrame, job: EmbeddingJob, *, processes: int = 1, gpus: float = 0, batch_rows: int = 256) -> DataFrame:
    dtype = DataType.struct({
        NAME: DataType.string(),
        EMBEDDING: DataType.fixed_size_list(DataType.float32(), job.width),
        LOST: DataType.string(),
    })

    class Embedder:
        def __init__(self, job: EmbeddingJob) -> None:
            self._job, self._model = job, model_of(job)

        @daft.method.batch(return_dtype=dtype, unnest=True, batch_size=batch_rows)
        def rows(self, items, names):
            table = embed_cells(self._model, self._job, cells_of(items), cells_of(names))
            return table.to_struct_array()

    made = daft.cls(gpus=gpus, max_concurrency=processes, use_process=True)(Embedder)(job)
    return frame.select(made.rows(frame[job.column], frame[job.name or job.column]))
def cells_of(s):
    print(s.datatype())
    return plain_cells(s.to_arrow())
