"""Bulk job: items of a source into the parts of a folder, but for those that are there."""

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinlens.batch import Batch
from twinlens.bulk.folder import EmbeddingFolder
from twinlens.bulk.gather import gathered
from twinlens.bulk.items import ItemBlock, image_blocks, text_blocks
from twinlens.bulk.name_table import MET, NameTable, key_of
from twinlens.bulk.options import BulkOptions, BulkReport, LostItem
from twinlens.bulk.repeats import Repeats
from twinlens.bulk.schema import StoredAbout, table_of
from twinlens.bulk.stored import names_not_met, other_operators, read_names, take_out_lost
from twinlens.embedding.deferred_error import DeferredError
from twinlens.model.model import Model
from twinlens.progress import Tally

logger = logging.getLogger(__name__)

MOST_LOST: Final = 1000
"""Lost items that a report lists."""
MOST_TOLD: Final = 3
"""Vanished names that a message gives."""


class BulkJob:
    """One run over a source. Made for one folder; `tally` may be read while it runs."""

    def __init__(self, model: Model, out: Path, options: BulkOptions) -> None:
        self._model, self._options = model, options
        self._folder = EmbeddingFolder(out, options.shard)
        self._folder.require_target()
        model.require(options.modality)
        self.about = about_of(model, options)
        self.tally = Tally()
        self._names = NameTable()
        self._repeats = Repeats("texts" if options.modality == "text" else "files")
        self._lost: list[LostItem] = []
        self._n_lost = self._stored_rows = 0

    def run(self, items: Batch[Any], *, anew: bool = False) -> BulkReport:
        """Embed the items that have no row, and write them part by part.

        Args:
            items: the source, of images or of texts as the options say.
            anew: delete the parts that are there first.

        Raises:
            EmbeddingsBusyError: another job is at work on some of the names.
            EmbeddingsError: the folder was made otherwise, or a part is damaged.
            ImportError: pyarrow is not installed.
            OSError: the folder cannot be written.
        """
        self.about.schema()
        with self._folder.writing():
            if anew:
                self._folder.clear()
            self._read_folder()
            with closing(self._blocks(items)) as blocks:
                self._write(blocks)
            self._repeats.warn()
            report = self._report()
            self._folder.mark(self._counts(report))
        return report

    def _read_folder(self) -> None:
        operators = other_operators(self._folder, self.about)
        if operators is not None:
            logger.warning(
                "%s was begun with operators %s, this machine has %s: their rows differ a little, "
                "with cosines of 0.9997 and more; each part says which made it",
                self._folder.path,
                operators,
                self.about.about.get("operators"),
            )
        if self._options.retry_lost:
            self._folder.unmark()
            take_out_lost(self._folder, self.about, self._options.shard)
        for name, reason in read_names(self._folder, self.about, self._options.shard, self._names):
            self._add_lost(name, reason or "")
        self._stored_rows = self._names.stored - self._n_lost

    def _blocks(self, items: Batch[Any]) -> Generator[ItemBlock]:
        options = self._options
        if options.modality == "text":
            return text_blocks(
                self._model, items, self._wanted, most=options.part_rows, on_cut=options.on_cut
            )
        return image_blocks(self._model, items, self._wanted, most=options.part_rows)

    def _wanted(self, name: str, item: object) -> bool:
        """Return True if an item has no row, and is of this shard."""
        self.tally.drawn += 1
        key = key_of(name)
        if self._options.shard.owns(key[0]):
            before = self._names.meet(key)
            if before is None:
                return True
            if before & MET:
                self._repeats.add(name, item)
        self.tally.skipped += 1
        return False

    def _write(self, blocks: Iterable[ItemBlock]) -> None:
        """Write parts; an error of the source comes after those of the items before it."""
        source, options = DeferredError(blocks), self._options
        for part in gathered(self._counted(source), rows=options.part_rows, seconds=options.part_s):
            # Whoever sees the mark of an earlier run beside these rows would take them for all.
            self._folder.unmark()
            names = [name for block in part for name in block.names]
            reasons = [reason for block in part for reason in block.reasons]
            rows = np.concatenate([block.rows for block in part])
            self._folder.write_part(table_of(names, rows, self.about, reasons=reasons))
            for name, reason in zip(names, reasons, strict=True):
                if reason is not None:
                    self._add_lost(name, reason)
        source.raise_error()

    def _counted(self, blocks: Iterable[ItemBlock]) -> Iterator[ItemBlock]:
        for block in blocks:
            self.tally.lost += block.n_lost
            self.tally.embedded += len(block) - block.n_lost
            yield block

    def _add_lost(self, name: str, reason: str) -> None:
        self._n_lost += 1
        if len(self._lost) < MOST_LOST:
            self._lost.append(LostItem(name=name, reason=reason))

    def _report(self) -> BulkReport:
        table, folder = self._names, self._folder
        vanished = table.stored - table.met_again
        if vanished:
            shard = self._options.shard
            names = names_not_met(folder, self.about, shard, table, most=MOST_TOLD)
            logger.warning(
                "%d items of %s are not in the source: their rows are kept (%s%s)",
                vanished,
                folder.path,
                ", ".join(names),
                ", ..." if vanished > len(names) else "",
            )
        return BulkReport(
            out=folder.path,
            width=self.about.width,
            rows=self._stored_rows + self.tally.embedded,
            embedded=self.tally.embedded,
            n_lost=self._n_lost,
            lost=tuple(self._lost),
            repeated=self._repeats.others,
            vanished=vanished,
        )

    def _counts(self, report: BulkReport) -> dict[str, object]:
        return {
            "shard": str(self._options.shard),
            "rows": report.rows,
            "lost": report.n_lost,
            "repeated": report.repeated,
            "vanished": report.vanished,
        }


def about_of(model: Model, options: BulkOptions) -> StoredAbout:
    """Return everything that makes a row of a job."""
    text = options.modality == "text"
    made = {name: value for name, value in model.about.items() if not text or name != "pixels"}
    return StoredAbout(
        about=made,
        modality=options.modality,
        width=model.width,
        dtype=options.dtype,
        device=model.device.partition(":")[0],
        too_long=("lost" if options.on_cut == "error" else "cut") if text else None,
    )
