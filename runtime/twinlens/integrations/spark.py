"""Embeddings by Spark: a function for `DataFrame.mapInArrow`, with one model a Python worker.

    from twinlens.integrations.embedding_job import EmbeddingJob
    from twinlens.integrations.spark import SCHEMA, embedder

    photos = spark.read.format("binaryFile").load("photos").select("path", "content")
    job = EmbeddingJob("demo", image="content", name="path")
    rows = photos.mapInArrow(embedder(job), SCHEMA)
    rows.write.parquet("embeddings")
"""

from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa

from twinlens.integrations.arrow_batches import ArrowBatch, embed_batch
from twinlens.integrations.embedding_job import EmbeddingJob, model_of

SCHEMA: Final = "name string, embedding array<float>, lost string"
"""Schema of the rows in Spark's words, which know no lists of a fixed size."""
_ARROW_SCHEMA: Final = pa.schema({"name": pa.string(), "embedding": pa.list_(pa.float32()), "lost": pa.string()})


def embedder(job: EmbeddingJob) -> Callable[[Iterator[ArrowBatch]], Iterator[ArrowBatch]]:
    def embed(batches: Iterator[ArrowBatch]) -> Iterator[ArrowBatch]:
        model = model_of(job)
        for batch in batches:
            yield from embed_batch(model, job, batch).cast(_ARROW_SCHEMA).to_batches()

    return embed
