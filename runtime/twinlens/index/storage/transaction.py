"""Transaction on an index on disk: rows written behind the committed ones, until the commit."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

from twinlens.durable.whole import name_full_disk, sync_folder
from twinlens.errors import IndexFileError
from twinlens.index.arrays.layout import ID_TEXT, Layout, Section
from twinlens.index.ids import Sections
from twinlens.index.storage.folder import next_generation, sweep
from twinlens.index.storage.manifest import (
    CURE,
    IndexManifest,
    Part,
    Removed,
    write_manifest,
)

PART_ROWS: Final = 2**16
"""Rows of a full part. Parts are merged up to this size: a million rows have some 16 parts, and
rows that are added one at a time are hashed 16 times at most."""
_COPIED_BYTES: Final = 2**20


class Transaction:
    """Writer behind the rows that `base` counts. The caller holds the folder's lock.

    Leaving it without a commit rolls back; a killed writer leaves bytes that no manifest counts,
    and the next writer overwrites them.
    """

    def __init__(self, folder: Path, base: IndexManifest) -> None:
        self._folder, self._base = folder, base
        self._layout = base.layout
        self._files: dict[str, BinaryIO] = {}
        self._parts = list(base.parts)
        self._rows, self._text_bytes = 0, base.n_text_bytes
        self._text_bytes_before = base.n_text_bytes
        self._hashes: dict[str, Any] = {}
        self._committed = False

    @classmethod
    def new_index(
        cls, folder: Path, layout: Layout, centre: NDArray[np.float32], about: dict[str, str]
    ) -> Self:
        """Begin a whole new index, beside an existing one in the folder."""
        epoch = next_generation(folder)
        content = centre.astype("<f4").tobytes()
        base = IndexManifest(
            format=IndexManifest.format_of(layout),
            generation=epoch - 1,
            epoch=epoch,
            width=layout.width,
            residual=layout.residual,
            ids=layout.ids,
            about=about,
            centre=hashlib.sha256(content).hexdigest(),
        )
        transaction = cls(folder, base)
        file = (folder / base.centre_file).open("w+b")
        transaction._files["centre"] = file
        file.write(content)
        return transaction

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):  # a full disk refuses the buffered bytes once more
                file.close()
        if not self._committed:
            self._roll_back()
        name_full_disk(error, self._folder)

    def extend(self, sections: Sections) -> None:
        """Append rows; the ends of their ids count from the first of them."""
        self._layout = self._layout.holding(sections)
        for name, section in self._layout.sections().items():
            items = sections[name]
            if name == "id_ends":
                items = items + self._text_bytes
            content = np.ascontiguousarray(items, dtype=section.dtype).reshape(-1).view(np.uint8)
            self._file(name, section).write(content.data)
            self._hashes.setdefault(name, hashlib.sha256()).update(content.data)
        self._rows += len(sections["codes"])
        self._text_bytes += len(sections.get(ID_TEXT, ()))
        if self._rows >= PART_ROWS:
            self._close_part()

    def commit(self, *, live: NDArray[np.bool_] | None = None) -> IndexManifest:
        """Commit the rows atomically and durably.

        Args:
            live: [N], False for the removed rows; None to keep those of the base.
        """
        self._close_part()
        parts = self._merged() if self._files else self._parts
        generation = self._base.generation + 1
        manifest = replace(
            self._base,
            generation=generation,
            ids=self._layout.ids,
            parts=tuple(parts),
            removed=self._base.removed if live is None else self._removed(live, generation),
        )
        for file in self._files.values():
            file.truncate()  # bytes left by a killed writer
            file.flush()
            os.fsync(file.fileno())
        # An interruption may come just after the rename: nothing is rolled back from here on,
        # unless the rename itself failed.
        self._committed = True
        try:
            write_manifest(self._folder, manifest)
        except OSError:
            self._committed = False
            raise
        sync_folder(self._folder)
        sweep(self._folder, manifest)
        return manifest

    def _removed(self, live: NDArray[np.bool_], generation: int) -> Removed:
        content = np.packbits(~live, bitorder="little").tobytes()
        path = self._folder / f"removed.{generation}.bits"
        self._files["removed"] = path.open("w+b")
        self._files["removed"].write(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return Removed(file=path.name, rows=len(live), sha256=sha256)

    def _file(self, name: str, section: Section) -> BinaryIO:
        """Return the file of a section, positioned at its next item."""
        if name not in self._files:
            manifest = replace(self._base, ids=self._layout.ids)
            path, items = self._folder / manifest.file(name), manifest.items(name)
            file = path.open("r+b" if items else "w+b")
            self._files[name] = file
            file.seek(items * section.item_bytes)
        return self._files[name]

    def _close_part(self) -> None:
        if not self._rows:
            return
        self._parts.append(
            Part(
                rows=self._rows,
                letters=self._text_bytes - self._text_bytes_before,
                sha256={name: digest.hexdigest() for name, digest in self._hashes.items()},
            )
        )
        self._rows, self._text_bytes_before, self._hashes = 0, self._text_bytes, {}

    def _merged(self) -> list[Part]:
        """Merge the last parts while the one before is no larger, and return all parts."""
        first, rows = len(self._parts) - 1, 0
        while first >= 0:
            rows += self._parts[first].rows
            before = self._parts[first - 1].rows if first else PART_ROWS
            if before > rows or before + rows > PART_ROWS:
                break
            first -= 1
        tail = self._parts[first:]
        if len(tail) < 2:
            return self._parts
        start = sum(part.rows for part in self._parts[:first])
        text_start = sum(part.letters for part in self._parts[:first])
        sha256 = {
            name: self._rehashed(name, section, text_start if name == ID_TEXT else start, tail)
            for name, section in self._layout.sections().items()
        }
        merged = Part(
            rows=sum(part.rows for part in tail),
            letters=sum(part.letters for part in tail),
            sha256=sha256,
        )
        return [*self._parts[:first], merged]

    def _rehashed(self, name: str, section: Section, start: int, tail: list[Part]) -> str:
        """Check the hashes of parts of a section, and return their common hash."""
        file = self._files[name]
        end = file.tell()
        file.seek(start * section.item_bytes)
        both = hashlib.sha256()
        for part in tail:
            own = hashlib.sha256()
            items = part.letters if name == ID_TEXT else part.rows
            for content in _read(file, items * section.item_bytes):
                own.update(content)
                both.update(content)
            if own.hexdigest() != part.sha256.get(name):
                raise IndexFileError(f"{file.name} is damaged: it does not match its hash; {CURE}")
        file.seek(end)
        return both.hexdigest()

    def _roll_back(self) -> None:
        for name, file in self._files.items():
            path = Path(file.name)
            section = self._layout.sections().get(name)
            items = replace(self._base, ids=self._layout.ids).items(name) if section else 0
            with contextlib.suppress(OSError):
                if section is None or not items:
                    path.unlink()
                else:
                    os.truncate(path, items * section.item_bytes)


def _read(file: BinaryIO, n_bytes: int) -> Iterator[bytes]:
    while n_bytes > 0:
        content = file.read(min(n_bytes, _COPIED_BYTES))
        if not content:
            return
        yield content
        n_bytes -= len(content)
