"""Folder of embeddings: its parts, the locks of its writers, and the marks of finished jobs.

    part-000012-1f6e09a4.parquet   rows (schema.py); a part never changes, but for lost items that
                                   are taken out to be embedded again
    _finished-2-of-4.json          counts of a job that has met its whole source; `_finished.json`
                                   of one that is not sharded
    .writer-2-of-4.lock            held by the process that writes that shard
    .part-2-of-4-1f6e09a4.draft    a part that is being written

The number of a part only orders; its eight random letters keep two machines without common locks
from writing over each other.
"""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from twinlens.bulk.shard import WHOLE, Shard
from twinlens.datasets.formats.embedding_schema import PARQUET
from twinlens.datasets.formats.parquet_file import pyarrow
from twinlens.durable.lock import exclusive_lock
from twinlens.durable.whole import sync_folder, whole_file
from twinlens.errors import EmbeddingsBusyError, EmbeddingsError, no_folder_for, quoted

SUFFIX: Final = ".parquet"
_PART: Final = re.compile(r"part-([0-9]{6,})-[0-9a-f]{8}\.parquet", re.ASCII)
_LOCK: Final = re.compile(r"\.writer-([0-9]+)-of-([0-9]+)\.lock", re.ASCII)
_MARK: Final = re.compile(r"_finished(?:-([0-9]+)-of-([0-9]+))?\.json", re.ASCII)
_RETRY_LOCK: Final = ".retry.lock"


class EmbeddingFolder:
    """Folder of Parquet parts, for the jobs of one shard."""

    def __init__(self, path: Path, shard: Shard = WHOLE) -> None:
        self.path, self._shard = path, shard
        self._number = 0

    def __repr__(self) -> str:
        return f"EmbeddingFolder({self.path})"

    def require_target(self) -> None:
        """Refuse a place that cannot hold parts, or holds something else.

        Raises:
            OSError: it is a file or a device, cannot be written, or is in no folder.
            EmbeddingsError: it holds something else.
        """
        if self.path.is_dir():
            strangers = [name for name in self._visible() if not name.endswith(SUFFIX)]
            if strangers:
                raise EmbeddingsError(
                    f"{quoted(str(self.path))} holds {quoted(min(strangers))!r}, which belongs to "
                    "no folder of embeddings; name a new folder, or that of embeddings"
                )
        elif self.path.exists():
            raise FileExistsError(f"{quoted(str(self.path))} is a file or a device; name a folder")
        place = self.path.resolve() if self.path.exists() else self.path.resolve().parent
        if not place.is_dir():
            raise no_folder_for(self.path, place)
        if not os.access(place, os.W_OK):
            raise PermissionError(
                f"{quoted(str(self.path))} cannot be written; name a folder in one that can"
            )

    def parts(self) -> list[Path]:
        """Return the files of rows, in their order."""
        names = [name for name in self._visible() if name.endswith(SUFFIX)]
        return [self.path / name for name in sorted(names)]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the shard, and all that overlap it, for this process; make the folder.

        Drafts that killed writers of these shards have left are deleted.

        Raises:
            EmbeddingsBusyError: another job is at work on some of the names.
            OSError: the folder cannot be made, or refuses locks.
        """
        self.path.mkdir(exist_ok=True)
        with ExitStack() as held:
            own = f".writer-{self._shard.number}-of-{self._shard.count}.lock"
            held.enter_context(exclusive_lock(self.path / own, busy=EmbeddingsBusyError))
            shards = [self._shard]
            for name in sorted(os.listdir(self.path)):  # noqa: PTH208
                found = _LOCK.fullmatch(name)
                if found is None or name == own:
                    continue
                other = Shard(number=int(found[1]), count=int(found[2]))
                if other.overlaps(self._shard):
                    lock = exclusive_lock(self.path / name, busy=EmbeddingsBusyError)
                    held.enter_context(lock)
                    shards.append(other)
            self._sweep(shards)
            numbers = [_PART.fullmatch(path.name) for path in self.parts()]
            self._number = max((int(found[1]) for found in numbers if found), default=-1) + 1
            yield

    def write_part(self, table: Any) -> Path:  # noqa: ANN401  pyarrow's table
        """Write a table as the next part: whole and on the disk, or not at all."""
        path = self.path / f"part-{self._number:06d}-{secrets.token_hex(4)}{SUFFIX}"
        self._write(path, table)
        self._number += 1
        return path

    def replace_part(self, path: Path, table: Any) -> None:  # noqa: ANN401  pyarrow's table
        """Put a table in the place of a part; delete the part if no row is left."""
        if len(table):
            self._write(path, table)
        else:
            path.unlink()
            sync_folder(self.path)

    @contextmanager
    def retrying(self) -> Iterator[None]:
        """Hold the parts of all shards while lost items are taken out of them.

        Raises:
            EmbeddingsBusyError: another job does so.
        """
        with exclusive_lock(self.path / _RETRY_LOCK, busy=EmbeddingsBusyError):
            yield

    def clear(self) -> None:
        """Delete all parts and marks.

        Raises:
            EmbeddingsError: a file has another name than the parts of jobs: nothing is deleted.
        """
        others = [path.name for path in self.parts() if _PART.fullmatch(path.name) is None]
        if others:
            raise EmbeddingsError(
                f"{self.path} holds {quoted(others[0])!r}, which no job has named, and a new begin "
                "would delete it; move it elsewhere, or name another folder"
            )
        marks = [self.path / name for name in self._names() if name.startswith("_finished")]
        for path in [*marks, *self.parts()]:
            path.unlink(missing_ok=True)
        sync_folder(self.path)

    def mark(self, counts: Mapping[str, object]) -> None:
        """Write the mark of a job that has met its whole source."""
        with whole_file(self._mark, draft_name=self._draft()) as file:
            file.write(json.dumps(dict(counts), indent=1, allow_nan=False).encode("ascii") + b"\n")

    def unmark(self) -> None:
        """Delete the marks of finished jobs that had some of these names: rows are to come."""
        stale = [name for name in self._names() if self._is_stale(name)]
        for name in stale:
            (self.path / name).unlink(missing_ok=True)
        if stale:
            sync_folder(self.path)

    def _is_stale(self, name: str) -> bool:
        found = _MARK.fullmatch(name)
        if found is None:
            return False
        done = WHOLE if found[1] is None else Shard(number=int(found[1]), count=int(found[2]))
        return done.overlaps(self._shard)

    @property
    def _mark(self) -> Path:
        shard = self._shard
        named = "" if shard == WHOLE else f"-{shard.number}-of-{shard.count}"
        return self.path / f"_finished{named}.json"

    def _write(self, path: Path, table: Any) -> None:  # noqa: ANN401  pyarrow's table
        library = pyarrow(quoted(str(self.path)))
        with whole_file(path, draft_name=self._draft()) as file:
            library.parquet.write_table(table, file, **PARQUET)

    def _draft(self) -> str:
        shard = self._shard
        return f".part-{shard.number}-of-{shard.count}-{secrets.token_hex(4)}.draft"

    def _sweep(self, shards: list[Shard]) -> None:
        for shard in shards:
            for left in self.path.glob(f".part-{shard.number}-of-{shard.count}-*.draft"):
                with contextlib.suppress(OSError):
                    left.unlink()

    def _names(self) -> list[str]:
        return os.listdir(self.path) if self.path.is_dir() else []  # noqa: PTH208

    def _visible(self) -> list[str]:
        return [name for name in self._names() if not name.startswith((".", "_"))]
