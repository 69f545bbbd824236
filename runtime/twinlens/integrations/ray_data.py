"""Embeddings by Ray Data: one actor a core, of one thread each, for `Dataset.map_batches`.

    import ray
    from twinlens.integrations.embedding_job import EmbeddingJob
    from twinlens.integrations.ray_data import Embedder

    photos = ray.data.read_binary_files("photos", include_paths=True)
    job = EmbeddingJob("demo", image="bytes", name="path")
    actors = ray.data.ActorPoolStrategy(size=2)
    rows = photos.map_batches(Embedder, fn_constructor_args=[job], compute=actors, num_cpus=0.5,
                              batch_size=256, batch_format="pyarrow")
    rows.write_parquet("embeddings")

CPUs of Ray are permits, not cores: reading and writing want one each, and a dataset whose actors
hold all of them waits for ever. With `device="cuda"` in the job, give `num_gpus`, as 0.5 for two
actors a GPU.

Checkpoints of Ray Data resume a job, if they are set before the source is opened:

    from ray.data.checkpoint import CheckpointConfig

    context = ray.data.DataContext.get_current()
    context.checkpoint_config = CheckpointConfig("path", "/shared/checkpoint")

They know an item by a column that the source and the rows both have. So the rows of this example
are written by `rows.rename_columns({"name": "path"}).write_parquet("embeddings")`.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

from twinlens.integrations.arrow_batches import ArrowTable, embed_batch, embed_cells
from twinlens.integrations.embedding_job import EmbeddingJob, model_of

Batch: TypeAlias = ArrowTable | Mapping[str, NDArray[Any]]
"""A batch of Ray Data: a table of pyarrow, or columns of numpy."""


class Embedder:
    """Actor of `Dataset.map_batches`: opens the model of a job once, and embeds batches by it.

    A batch of n rows gives a table of n rows {name, embedding, lost}, also if some items cannot be
    read: such a row has no embedding, and the reason in `lost`. The format "pyarrow" copies least.
    """

    def __init__(self, job: EmbeddingJob) -> None:
        self._job, self._model = job, model_of(job)

    def __call__(self, batch: Batch) -> ArrowTable:
        """Embed a batch.

        Raises:
            ValueError: a column is missing, or images have neither names nor paths.
        """
        if not isinstance(batch, Mapping):
            return embed_batch(self._model, self._job, batch)
        self._job.require_columns(batch)
        names = None if self._job.name is None else list(batch[self._job.name])
        return embed_cells(self._model, self._job, list(batch[self._job.column]), names)
