"""Memory-mapped sections of an index on disk: opened in milliseconds, read on demand."""

import contextlib
import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexFileError
from twinlens.index.arrays.layout import ID_TEXT, Section
from twinlens.index.arrays.mapped_array import expect_scattered, read_ahead
from twinlens.index.id_lookup import IdLookup
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.manifest import CURE, IndexManifest, read_manifest

_HASHED_BYTES: Final = 2**24


def open_folder(folder: Path) -> tuple[IndexManifest, Snapshot]:
    """Open the last committed snapshot of an index, also while a writer is at work.

    Raises:
        IndexFileError: there is no index, or it is damaged.
        OSError: a file cannot be read.
    """
    manifest = read_manifest(folder)
    while True:
        try:
            return manifest, map_snapshot(folder, manifest)
        except FileNotFoundError as error:
            # A writer may have committed and deleted files since the manifest was read.
            newer = read_manifest(folder)
            if newer == manifest:
                raise IndexFileError(
                    f"{folder} lacks {Path(error.filename).name}, which its manifest names; {CURE}"
                ) from error
            manifest = newer


def map_snapshot(
    folder: Path, manifest: IndexManifest, *, lookup: IdLookup | None = None
) -> Snapshot:
    """Map the items that the manifest counts; only the centre and the removed bits are read."""
    sections = {
        name: _mapped(folder / manifest.file(name), section, manifest.items(name))
        for name, section in manifest.layout.sections().items()
    }
    if not manifest.layout.codes_only:
        expect_scattered(sections["rows"])
    return Snapshot.of(
        manifest.layout,
        sections,
        _centre(folder, manifest),
        live=_live(folder, manifest),
        lookup=lookup,
    )


def verify(folder: Path, manifest: IndexManifest, snapshot: Snapshot) -> None:
    """Read everything.

    Raises:
        IndexFileError: names the section and the rows that changed since.
    """
    for name, section in manifest.layout.sections().items():
        path = folder / manifest.file(name)
        wanted = manifest.items(name) * section.item_bytes
        # Reading a map beyond the end of its file would kill the process. A file that a writer has
        # deleted is whole: it lives on without a name.
        with contextlib.suppress(FileNotFoundError):
            got = path.stat().st_size
            if got < wanted:
                raise _too_short(path, got, wanted)
        first_row = 0
        for content, part in _parts(manifest, name, snapshot.sections[name]):
            if _digest(content) != part.sha256.get(name):
                raise IndexFileError(
                    f"{path} is damaged: its rows {first_row} to {first_row + part.rows - 1} do "
                    f"not match their hash; {CURE}"
                )
            first_row += part.rows


def _parts(
    manifest: IndexManifest, name: str, items: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], Any]]:
    start = 0
    for part in manifest.parts:
        stop = start + (part.letters if name == ID_TEXT else part.rows)
        yield items[start:stop], part
        start = stop


def _digest(items: NDArray[Any]) -> str:
    flat = items.reshape(-1).view(np.uint8)
    digest = hashlib.sha256()
    for start in range(0, len(flat), _HASHED_BYTES):
        piece = flat[start : start + _HASHED_BYTES]
        read_ahead(piece)
        digest.update(piece.data)
    return digest.hexdigest()


def _mapped(path: Path, section: Section, items: int) -> NDArray[Any]:
    if not items:
        return np.empty((0, *section.tail), dtype=section.dtype)
    wanted = items * section.item_bytes
    with path.open("rb") as file:
        got = os.fstat(file.fileno()).st_size
        if got < wanted:
            raise _too_short(path, got, wanted)
        mapped = mmap.mmap(file.fileno(), wanted, access=mmap.ACCESS_READ)
    # Not frombuffer: the kernels read ahead if the base of the rows is a map.
    return np.ndarray((items, *section.tail), dtype=section.dtype, buffer=mapped)


def _centre(folder: Path, manifest: IndexManifest) -> NDArray[np.float32]:
    content = _read(folder / manifest.centre_file, 4 * manifest.width, manifest.centre)
    return np.frombuffer(content, dtype="<f4")


def _live(folder: Path, manifest: IndexManifest) -> NDArray[np.bool_] | None:
    removed = manifest.removed
    if removed is None:
        return None
    content = _read(folder / removed.file, -(-removed.rows // 8), removed.sha256)
    bits = np.frombuffer(content, dtype=np.uint8)
    live = np.ones(manifest.n_rows, dtype=np.bool_)
    live[: removed.rows] = np.unpackbits(bits, count=removed.rows, bitorder="little") == 0
    return live


def _read(path: Path, wanted: int, sha256: str) -> bytes:
    """Read and check a small file."""
    content = path.read_bytes()
    if len(content) != wanted:
        raise _too_short(path, len(content), wanted)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IndexFileError(f"{path} is damaged: it does not match its hash; {CURE}")
    return content


def _too_short(path: Path, got: int, wanted: int) -> IndexFileError:
    return IndexFileError(f"{path} is damaged: it has {got} bytes, wanted {wanted}; {CURE}")
