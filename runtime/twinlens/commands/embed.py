"""twinlens embed: embeddings of images or texts, in one file, or in a folder by resumable jobs."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

from twinlens.batch import Batch
from twinlens.bulk.folder import EmbeddingFolder
from twinlens.bulk.items import ItemBlock, image_blocks, text_blocks
from twinlens.bulk.job import BulkJob, about_of
from twinlens.bulk.options import BulkOptions, BulkReport
from twinlens.bulk.shard import WHOLE
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import (
    count_in_background,
    found_images,
    open_model,
    read_lines,
    refuse_unused,
)
from twinlens.commands.writing.embeddings_file import Write, writer_for
from twinlens.commands.writing.targets import STDOUT, require_file, require_folder
from twinlens.datasets.formats.parquet_file import pyarrow
from twinlens.durable.whole import whole_file
from twinlens.errors import amount, quoted
from twinlens.model.model import Model
from twinlens.progress import Tally, watched

TOLD: Final = 10
"""Lost items that are printed; --json lists a thousand."""


def run(options: argparse.Namespace) -> Outcome:
    """Embed the inputs into the file, or into the folder, that is named."""
    if options.texts:
        refuse_unused(options, ("image_column", "pixels"), "is for pictures, not for --texts")
    else:
        refuse_unused(options, ("on_cut",), "is for --texts, not for pictures")
    write = writer_for(options.out)
    return _into_folder(options) if write is None else _into_file(options, write)


def _into_folder(options: argparse.Namespace) -> Outcome:
    if options.force and options.shard is not None:
        raise MisuseError(
            "--force begins a folder anew, and would take the parts of the other shards; delete "
            "it first"
        )
    require_folder(options.out, (), force=options.force)
    EmbeddingFolder(options.out).require_target()
    pyarrow(f"--out {options.out}")
    job = BulkJob(open_model(options), options.out, _bulk_options(options))
    items = _items(options, job.tally)
    with _followed(options, job.tally):
        report = job.run(items, anew=options.force)
    return Outcome(
        lines=_lines(report),
        document={
            "out": str(report.out),
            "rows": report.rows,
            "width": report.width,
            "embedded": report.embedded,
            "n_lost": report.n_lost,
            "lost": [item.name for item in report.lost],
            "reasons": [item.reason for item in report.lost],
            "repeated": report.repeated,
            "vanished": report.vanished,
        },
        code=1 if report.n_lost or report.repeated else 0,
    )


def _lines(report: BulkReport) -> list[str]:
    where = f"of width {report.width} in {report.out}"
    lines = [f"{amount(report.rows, 'embedding')} {where}, {report.embedded:,} of them new"]
    for item in report.lost[:TOLD]:
        name = quoted(item.name)
        lines.append(f"lost: {'' if name in item.reason else f'{name}: '}{item.reason}")
    if report.n_lost > TOLD:
        lines.append(f"lost: {report.n_lost - TOLD:,} more; see the column `lost`, or --json")
    if report.n_lost:
        lines.append("--retry-lost embeds again what was lost")
    if report.vanished:
        lines.append(
            f"{amount(report.vanished, 'row')} of items that are not in the source any more"
        )
    return lines


def _into_file(options: argparse.Namespace, write: Write) -> Outcome:
    refuse_unused(options, ("shard", "retry_lost"), "is for a folder, and the output is a file")
    out: Path = options.out
    if str(out) != STDOUT:
        require_file(out, force=options.force)
    elif sys.stdout.isatty():
        raise MisuseError("--out - would fill the terminal with bytes; send them to a file or on")
    model, bulk = open_model(options), _bulk_options(options)
    about, tally = about_of(model, bulk), Tally()
    items = _items(options, tally)
    lost: list[str] = []
    with _opened(out) as file, _followed(options, tally):
        write(file, _told(_blocks(model, bulk, items, tally), tally, lost), about)
    return Outcome(
        lines=[f"{amount(tally.embedded, 'embedding')} of width {model.width} in {out}"],
        document={"out": str(out), "rows": tally.embedded, "width": model.width, "lost": lost},
        code=1 if lost else 0,
        to_stderr=str(out) == STDOUT,
    )


def _blocks(
    model: Model, bulk: BulkOptions, items: Batch[Any], tally: Tally
) -> Iterator[ItemBlock]:
    """Yield every item: in a file, names may be there twice, and a text too long is refused."""

    def count(_name: str, _item: object) -> bool:
        tally.drawn += 1
        return True

    if bulk.modality == "text":
        return text_blocks(model, items, count, on_cut=bulk.on_cut, on_error="raise")
    return image_blocks(model, items, count)


def _told(blocks: Iterator[ItemBlock], tally: Tally, lost: list[str]) -> Iterator[ItemBlock]:
    for block in blocks:
        names = zip(block.names, block.reasons, strict=True)
        lost += [name for name, reason in names if reason is not None]
        tally.embedded += len(block) - block.n_lost
        tally.lost += block.n_lost
        yield block


def _items(options: argparse.Namespace, tally: Tally) -> Batch[Any]:
    """Return the items of the inputs; those that can be counted in advance are."""
    if options.texts:
        return read_lines(options.inputs)
    images = found_images(options)
    count_in_background(options.inputs, tally)
    return images


def _followed(options: argparse.Namespace, tally: Tally) -> AbstractContextManager[None]:
    options.progress.follow(tally, "texts" if options.texts else "images")
    return watched(options.progress.bar, tally, unit="text" if options.texts else "image")


def _bulk_options(options: argparse.Namespace) -> BulkOptions:
    return BulkOptions(
        modality="text" if options.texts else "image",
        dtype=options.dtype,
        shard=options.shard or WHOLE,
        on_cut=options.on_cut or "warn",
        retry_lost=bool(options.retry_lost),
    )


def _opened(out: Path) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdout.buffer) if str(out) == STDOUT else whole_file(out)
