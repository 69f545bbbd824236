"""Items that a folder of embeddings has already: their names, and the reasons of the lost ones."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from twinlens.bulk.folder import EmbeddingFolder
from twinlens.bulk.name_table import LOST, MET, STORED, NameTable, key_of
from twinlens.bulk.schema import StoredAbout
from twinlens.bulk.shard import Shard
from twinlens.datasets.formats import embedding_schema as columns
from twinlens.datasets.formats.parquet_file import Parquet, ParquetDamage, open_parquet, pyarrow
from twinlens.errors import DatasetError, EmbeddingsError, quoted
from twinlens.provenance import CLOSE, same_bits

logger = logging.getLogger(__name__)

NAMES_AT_ONCE: Final = 2**16

Item = tuple[str, str | None]
"""Name of an item, and the reason if it is lost."""


def stored_items(path: Path, about: StoredAbout) -> Iterator[Item]:
    """Yield the items of one part; none if it is gone.

    Another job deletes a part of which it has taken out the last lost item.

    Raises:
        EmbeddingsError: it is damaged, or was made otherwise than `about`.
    """
    try:
        with open_parquet(path) as file:
            require_same(StoredAbout.of(file.schema, str(path)), about, path)
            yield from _items(file)
    except FileNotFoundError:
        return
    except DatasetError as error:
        raise EmbeddingsError(
            f"{error}; delete {quoted(path.name)}, and its items are embedded anew"
        ) from error


def read_names(
    folder: EmbeddingFolder, about: StoredAbout, shard: Shard, table: NameTable
) -> Iterator[Item]:
    """Put the names of a shard into a table; yield the lost items.

    Raises:
        EmbeddingsError: a part is damaged, or was made otherwise than `about`.
    """
    for path in folder.parts():
        repeated = 0
        for name, reason in stored_items(path, about):
            key = key_of(name)
            if not shard.owns(key[0]):
                continue
            if not table.put(key, STORED if reason is None else LOST):
                repeated += 1
            elif reason is not None:
                yield name, reason
        if repeated:
            logger.warning(
                "%s has %d names that other parts have too: was it copied, or are there no locks?",
                path,
                repeated,
            )


def take_out_lost(folder: EmbeddingFolder, about: StoredAbout, shard: Shard) -> int:
    """Take the lost items of a shard out of their parts, as if they had never been met.

    A part is replaced at once, so a kill leaves it with or without them.

    Raises:
        EmbeddingsBusyError: another job does so.
        EmbeddingsError: a part is damaged, or was made otherwise than `about`.
    """
    n_taken = 0
    with folder.retrying():
        for path in folder.parts():
            keep = [
                reason is None or not shard.owns(key_of(name)[0])
                for name, reason in stored_items(path, about)
            ]
            if not all(keep):
                library = pyarrow(str(path))
                table = library.parquet.read_table(path, page_checksum_verification=True)
                folder.replace_part(path, table.filter(library.array(keep)))
                n_taken += keep.count(False)
    return n_taken


def names_not_met(
    folder: EmbeddingFolder, about: StoredAbout, shard: Shard, table: NameTable, *, most: int
) -> list[str]:
    """Return the first stored names that were not met in the source."""
    found: list[str] = []
    for path in folder.parts():
        for name, _ in stored_items(path, about):
            key = key_of(name)
            state = table.state(key) if shard.owns(key[0]) else None
            if state is not None and not state & MET:
                found.append(name)
                if len(found) == most:
                    return found
    return found


def require_same(stored: StoredAbout, own: StoredAbout, place: Path) -> None:
    """Refuse a part that was made otherwise: its rows are no neighbours of ours.

    Other operators pass: each part says which made it.

    Raises:
        EmbeddingsError: names each difference.
    """
    differing = differences(_entries(stored), _entries(own))
    if differing:
        raise EmbeddingsError(
            f"{place} was made with {differing}: name another folder, load what made it, or begin "
            "anew with --force"
        )


def differences(theirs: Mapping[str, object], ours: Mapping[str, object]) -> str:
    """Return the entries in which two makers of rows differ, operators apart; "" if in none."""
    return "; ".join(
        f"{name} {_short(theirs.get(name))}, not {_short(ours.get(name))}"
        for name in sorted({*theirs, *ours} - CLOSE)
        if theirs.get(name) != ours.get(name)
    )


def other_operators(folder: EmbeddingFolder, about: StoredAbout) -> str | None:
    """Return the operators that made the first part of a folder, if ours give other rows."""
    for path in folder.parts():
        with contextlib.suppress(
            FileNotFoundError, DatasetError, EmbeddingsError
        ):  # told when they are read
            with open_parquet(path) as file:
                theirs = StoredAbout.of(file.schema, str(path)).about.get("operators")
            return None if same_bits(theirs, about.about.get("operators")) else theirs
    return None


def _entries(about: StoredAbout) -> dict[str, object]:
    return dict(about.about) | {
        "width": about.width,
        "dtype": about.dtype,
        "kind of items": about.modality,
        "device": about.device,
        "too long texts": about.too_long,
    }


def _short(value: object) -> str:
    words = quoted(str(value))
    return f"{words[:12]}..." if len(words) == 64 else words


def _items(file: Parquet) -> Iterator[Item]:
    wanted = [columns.NAME, columns.LOST]
    file.require_columns(wanted)
    for batch in file.batches(wanted, n_rows=NAMES_AT_ONCE):
        if isinstance(batch, ParquetDamage):
            raise batch.error
        names, lost = batch.columns[columns.NAME], batch.columns[columns.LOST]
        if names.null_count:
            raise DatasetError(f"row {batch.first_row} or one behind it has no name")
        yield from zip(_texts(names), _reasons(lost), strict=True)


def _texts(array: Any) -> Sequence[str]:  # noqa: ANN401  pyarrow's array
    try:
        found: list[str] = array.to_pylist()
    except UnicodeDecodeError as error:
        raise DatasetError(f"a name is not UTF-8: {error.reason}") from error
    return found


def _reasons(array: Any) -> Sequence[str | None]:  # noqa: ANN401  pyarrow's array
    return [None] * len(array) if array.null_count == len(array) else _texts(array)
