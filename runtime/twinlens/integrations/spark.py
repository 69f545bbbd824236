"""Embeddings by Spark: a function for `DataFrame.mapInArrow`, with one model a Python worker.

    from twinlens.integrations.embedding_job import EmbeddingJob
    from twinlens.integrations.spark import SCHEMA, embedder

    photos = spark.readStream.schema("path string, content binary").parquet("photos")
    rows = photos.mapInArrow(embedder(EmbeddingJob("demo", image="content", name="path")), SCHEMA)
    out = rows.writeStream.trigger(availableNow=True).option("checkpointLocation", "progress")
    out.start("embeddings").awaitTermination()

A stream with a checkpoint goes on after the files that were done, however it ended; a batch job
(`spark.read`, `rows.write`) writes all or nothing. An executor of one core a worker needs the
memory of `spark.sql.execution.arrow.maxRecordsPerBatch` encoded images: 10,000 by default, which
is many; 256 are as fast.
"""

from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa

from twinlens.datasets.formats.embedding_schema import EMBEDDING, LOST, NAME
from twinlens.integrations.arrow_batches import ArrowBatch, embed_batch
from twinlens.integrations.embedding_job import EmbeddingJob, model_of

SCHEMA: Final = f"{NAME} string, {EMBEDDING} array<float>, {LOST} string"
"""Schema of the rows in Spark's words, which know no lists of a fixed size."""


def embedder(job: EmbeddingJob) -> Callable[[Iterator[ArrowBatch]], Iterator[ArrowBatch]]:
    """Return a function for `mapInArrow`, of a job over one of the frame's columns.

    A batch of n rows gives n rows {name, embedding, lost}, also if some items cannot be read: such
    a row has no embedding, and the reason in `lost`. A worker opens the model once, and keeps it
    while Spark reuses the worker, as it does by default.
    """

    def embed(batches: Iterator[ArrowBatch]) -> Iterator[ArrowBatch]:
        text, numbers = pa.string(), pa.list_(pa.float32())
        schema = pa.schema({NAME: text, EMBEDDING: numbers, LOST: text})
        for batch in batches:
            yield from embed_batch(model_of(job), job, batch).cast(schema).to_batches()

    return embed
