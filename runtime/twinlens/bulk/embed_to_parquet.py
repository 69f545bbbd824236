"""Embed a source of any length into a folder of Parquet, so that a cut job goes on."""

import os
from pathlib import Path
from typing import Any, Final

from twinlens.batch import Batch
from twinlens.bulk.job import BulkJob
from twinlens.bulk.options import BulkOptions, BulkReport
from twinlens.model.model import Model
from twinlens.progress import watched

DEFAULTS: Final = BulkOptions()


def embed_to_parquet(
    model: Model,
    items: Batch[Any],
    *,
    out: str | os.PathLike[str],
    options: BulkOptions = DEFAULTS,
    progress: bool = False,
) -> BulkReport:
    """Embed images or texts into a folder of Parquet parts, but for those that it has already.

        found = twinlens.read_images("photos")
        twinlens.embed_to_parquet(model, found, out="photos.embeddings")
        index = twinlens.Index.build(twinlens.parquet_blocks("photos.embeddings", ids="name"))

    A part is written whole or not at all, so a job that was killed, or lost its power, goes on when
    it is called again: no row twice, none missing, each to the bit as without the interruption.
    An item is known by its name: the path of an image, path and member of an archive, the text
    itself, or "image 7" for an array. New items are embedded, those that have vanished keep their
    rows; a file that was changed under its name is not noticed. An item that cannot be embedded is
    a row with the reason, and is tried again with `retry_lost`.

    Memory holds the items of one part, and 28 bytes a name.

    Args:
        model: an open model.
        items: images, as for `Model.stream_images`, or with modality "text" strings.
        out: the folder; it is made in a folder that exists.
        options: kind of the items, stored type, shard.
        progress: show a bar on stderr.

    Raises:
        EmbeddingsBusyError: another job is at work on some of the names there.
        EmbeddingsError: the folder holds embeddings that were made otherwise, or something else, or
            is damaged.
        ImportError: pyarrow is not installed.
        OSError: the folder cannot be written.
    """
    job = BulkJob(model, Path(out), options)
    with watched(progress, job.tally, unit=options.modality):
        return job.run(items)
