"""twinlens index: an index of images on disk, filled by a job that can be resumed."""

import argparse
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from twinlens.bulk.embedding_source import lost_names, named_rows, stored_at
from twinlens.bulk.index_job import IndexJob
from twinlens.bulk.items import ItemBlock
from twinlens.bulk.stored import differences
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import (
    count_in_background,
    found_images,
    open_model,
    refuse_unused,
)
from twinlens.commands.writing.targets import require_folder
from twinlens.datasets.embedding_parquet import StoredEmbeddings
from twinlens.errors import EmbeddingsError, amount
from twinlens.images.named_image import NamedImage
from twinlens.index.storage.folder import require_target
from twinlens.model.model import Model
from twinlens.progress import watched

logger = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> Outcome:
    """Embed the images that the index lacks; their names are its ids."""
    _check_out(options.out, force=options.force)
    sources = _once_each(options.inputs)
    stored = {source: found for source in sources if (found := stored_at(source)) is not None}
    options.inputs = [source for source in sources if source not in stored]
    if not options.inputs:
        refuse_unused(options, ("image_column",), "is for pictures, and the inputs are embeddings")
    model = open_model(options)
    model.require("image")
    job = IndexJob(
        options.out, about=model.about, width=model.width, anew=options.force, keep=options.keep
    )
    for source, found in stored.items():
        _require_same(source, found, model)
    images = found_images(options) if options.inputs else iter(())
    options.progress.follow(job.tally, "images")
    if not stored:
        count_in_background(options.inputs, job.tally)
    with watched(options.progress.bar, job.tally, unit="image"):
        index = job.run(_blocks(job, model, stored.values(), images))
    added = job.tally.embedded
    new = f", {added} of them new" if job.before else ""
    return Outcome(
        lines=[f"{amount(len(index), 'image')} in {options.out}{new}"],
        document={
            "out": str(options.out),
            "rows": len(index),
            "added": added,
            "vanished": job.vanished,
            "lost": job.lost,
        },
        code=1 if job.lost else 0,
    )


def _blocks(
    job: IndexJob, model: Model, stored: Iterable[StoredEmbeddings], images: Iterator[NamedImage]
) -> Iterator[ItemBlock]:
    """Yield what is stored already, then the images, embedded."""
    for found in stored:
        yield from job.stored(named_rows(found), lost_names(found))
    yield from job.embedded(model, images)


def _require_same(source: Path, stored: StoredEmbeddings, model: Model) -> None:
    differing = differences(stored.about, model.about)
    if differing:
        raise EmbeddingsError(
            f"{source} was made with {differing}: load what made it, or embed again"
        )


def _check_out(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise MisuseError(f"--out {out} is a file or a device, but an index is a folder")
    require_target(out)
    require_folder(out, (), force=force)


def _once_each(sources: Iterable[Path]) -> list[Path]:
    """Return the sources without those given again: nothing is lost by them, but they are named."""
    kept: dict[Path, None] = {}
    for source in sources:
        if source in kept:
            logger.warning("%s is given twice and read once", source)
        kept[source] = None
    return list(kept)
