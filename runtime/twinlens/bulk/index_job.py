"""Index job: what an index on disk lacks of a source, committed some thousand rows at a time."""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bulk.gather import gathered
from twinlens.bulk.items import ItemBlock, image_blocks
from twinlens.bulk.name_table import MET, NameTable, key_of
from twinlens.bulk.repeats import Repeats
from twinlens.bulk.stored import differences
from twinlens.datasets.formats.embedding_schema import stored_name
from twinlens.embedding.deferred_error import DeferredError
from twinlens.errors import IndexFileError
from twinlens.images.named_image import NamedImage
from twinlens.index.arrays.layout import Kept
from twinlens.index.index import Index
from twinlens.index.storage.manifest import MANIFEST
from twinlens.model.model import Model
from twinlens.progress import Tally

COMMIT_ROWS: Final = 2**14
COMMIT_S: Final = 60.0
_ESCAPED: Final = re.compile(r"\\u(d[89a-f][0-9a-f]{2})", re.ASCII)
_ASKED_AT_ONCE: Final = 256
_ASKED_BYTES: Final = 2**24
"""Encoded images that wait while the index is asked for their names, at most."""

Rows = NDArray[np.float32]


class IndexJob:
    """One run that fills an index on disk, or goes on with it; its ids are the names of the items.

    A commit has 16,384 rows, or those of a minute: as much is lost by a kill.

    Args:
        out: folder of the index.
        about: maker of the rows.
        width: D.
        anew: put a new index in the place of one that is there, once it is complete.
        keep: what the index keeps of a row; None for rows, or as an index that is there does.

    Raises:
        IdError: the index has other ids than strings.
        IndexFileError: the index is damaged, was made otherwise, or keeps something else.
    """

    def __init__(
        self,
        out: Path,
        *,
        about: Mapping[str, str],
        width: int,
        anew: bool,
        keep: Kept | None = None,
    ) -> None:
        self._out, self._about, self._width, self._anew = out, about, width, anew
        self._keep = keep
        self._index: Index | None = None
        # Without a manifest there is none, or what a writer has left that was killed.
        if not anew and (out / MANIFEST).exists():
            self._index = Index.open(out)
            _require_same(self._index, about, out)
            if keep not in (None, self._index.kept):
                raise IndexFileError(
                    f"{out} keeps {self._index.kept}, wanted {keep}: name another folder, leave "
                    "--keep out, or begin anew with --force"
                )
        self.before = 0 if self._index is None else len(self._index)
        """Rows that were there."""
        self._met, self._repeats, self._n_known = NameTable(), Repeats(), 0
        self.tally = Tally()
        self.lost: list[str] = []
        """Names of the items without a row."""
        self._lost_before: list[str] = []

    @property
    def vanished(self) -> int:
        """Rows that were there, of items that were not met in the source."""
        return self.before - self._n_known

    def run(self, blocks: Iterable[ItemBlock]) -> Index:
        """Write the blocks; an error of their source comes after the rows before it.

        Raises:
            IndexBusyError: another writer is at work.
            OSError: the index cannot be written.
        """
        readable = self._readable(blocks)
        if self._anew:  # the old one stays if the source fails
            self._index = self._new(readable)
        else:
            self._index = self._go_on(DeferredError(readable))
        self._repeats.warn()
        # A picture that was lost in a folder of embeddings may have a row from elsewhere.
        lost = sorted(set(self._lost_before) - set(self.lost))
        there = self._known(lost)
        self.lost += [name for name, found in zip(lost, there, strict=True) if not found]
        return self._index

    def _go_on(self, source: DeferredError[ItemBlock]) -> Index:
        for group in gathered(source, rows=COMMIT_ROWS, seconds=COMMIT_S):
            if self._index is None:
                self._index = self._new(group)
            else:
                self._index.add(
                    np.concatenate([block.rows for block in group]),
                    [name for block in group for name in block.names],
                )
        source.raise_error()
        return self._new(()) if self._index is None else self._index

    def embedded(self, model: Model, images: Iterable[NamedImage]) -> Generator[ItemBlock]:
        """Yield the images that the index lacks, embedded."""
        with closing(image_blocks(model, self._lacking(images), lambda _name, _item: True)) as made:
            yield from made

    def stored(
        self, blocks: Iterable[tuple[Sequence[str], Rows]], lost: Iterable[str]
    ) -> Iterator[ItemBlock]:
        """Yield the stored rows that the index lacks.

        Args:
            blocks: names [n] and rows [n, D].
            lost: names of the items without a row.
        """
        for names, rows in blocks:
            self.tally.drawn += len(names)
            known = self._known(names)
            kept = [
                self._is_new(name, name, known=there)
                for name, there in zip(names, known, strict=True)
            ]
            yield ItemBlock(
                names=tuple(name for name, new in zip(names, kept, strict=True) if new),
                rows=rows[np.array(kept, dtype=np.bool_)].astype(np.float32),
                reasons=(None,) * sum(kept),
            )
        self._lost_before += lost

    def _new(self, blocks: Iterable[ItemBlock]) -> Index:
        # The block of no rows tells the width, if there are no others.
        none: tuple[Sequence[str], Rows] = ((), np.empty((0, self._width), dtype=np.float32))
        rows = ((block.names, block.rows) for block in blocks)
        return Index.write(
            self._out,
            chain([none], rows),
            about=self._about,
            residual=self._keep == "codes16",
            codes_only=self._keep not in (None, "rows"),
        )

    def _readable(self, blocks: Iterable[ItemBlock]) -> Iterator[ItemBlock]:
        """Yield the blocks without their lost items, which are counted and named."""
        for block in blocks:
            kept = np.array([reason is None for reason in block.reasons], dtype=np.bool_)
            self.lost += [block.names[place] for place in np.flatnonzero(~kept).tolist()]
            self.tally.lost += block.n_lost
            self.tally.embedded += len(block) - block.n_lost
            yield ItemBlock(
                names=tuple(block.names[place] for place in np.flatnonzero(kept).tolist()),
                rows=block.rows[kept],
                reasons=(None,) * int(kept.sum()),
            )

    def _lacking(self, images: Iterable[NamedImage]) -> Iterator[NamedImage]:
        source = DeferredError(images)
        for waiting in _batches(source):
            known = self._known([image.name for image in waiting])
            for image, there in zip(waiting, known, strict=True):
                self.tally.drawn += 1
                if self._is_new(image.name, image.image, known=there):
                    yield image
        source.raise_error()

    def _known(self, names: Sequence[str]) -> list[bool]:
        if self._index is None:
            return [False] * len(names)
        known, others = self._index.contains(names), [_other_spelling(name) for name in names]
        if others != list(names):
            known |= self._index.contains(others)
        found: list[bool] = known.tolist()
        return found

    def _is_new(self, name: str, item: object, *, known: bool) -> bool:
        """Return True if a name has no row and was not met in this run."""
        before = self._met.meet(key_of(name))
        if before is not None and before & MET:
            n_others = self._repeats.others
            self._repeats.add(name, item)
            if self._repeats.others > n_others:
                self.lost.append(name)
        elif not known:
            return True
        else:
            self._n_known += 1
        self.tally.skipped += 1
        return False


def _require_same(index: Index, about: Mapping[str, str], out: Path) -> None:
    index.contains(["a name"])  # refuses ids of another kind
    differing = differences(index.about, about)
    if differing:
        raise IndexFileError(
            f"{out} was made with {differing}: name another folder, load what made it, or begin "
            "anew with --force"
        )


def _other_spelling(name: str) -> str:
    """Return a name that is not UTF-8 as folders of embeddings have it, or back; else itself."""
    escaped = stored_name(name)
    if escaped != name:
        return escaped
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def _batches(images: Iterable[NamedImage]) -> Iterator[list[NamedImage]]:
    """Yield the images some at a time: one question to the index costs as much as hundreds."""
    batch: list[NamedImage] = []
    n_bytes = 0
    for image in images:
        batch.append(image)
        n_bytes += len(image.image) if isinstance(image.image, bytes) else 0
        if len(batch) == _ASKED_AT_ONCE or n_bytes >= _ASKED_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch
