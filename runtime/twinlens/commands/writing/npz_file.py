"""The .npz of `twinlens embed`: embeddings, and their names in as many bytes as they have.

    embeddings  float32 or float16 [B, D], unit rows
    name_utf8   uint8 [M], the names in UTF-8, one behind the other
    name_ends   int64 [B], the end of each name in `name_utf8`

Plain numpy reads it, without pickle. An array of str would give each name the width of the longest,
four bytes a letter: a million short texts and one of 4,000 letters make 16 GB. Lost items are left
out.

    rows = np.load("rows.npz")
    text, ends = rows["name_utf8"].tobytes(), rows["name_ends"].tolist()
    pairs = zip([0, *ends], ends)
    names = [text[start:end].decode("utf-8", "surrogatepass") for start, end in pairs]

The name of a file need not be text: "surrogatepass" gives it as `os.listdir` does, to be opened.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import numpy as np

from twinlens.bulk.items import ItemBlock
from twinlens.bulk.schema import StoredAbout

_COPIED_BYTES: Final = 2**20


def write_npz(file: BinaryIO, blocks: Iterable[ItemBlock], about: StoredAbout) -> None:
    """Write the items into a file, which need not be seekable.

    A zip begins each array with its shape, so they wait in temporary files, beside the output if
    that is a file: memory holds a block.
    """
    with ExitStack() as temporary:
        rows, letters, ends = (
            temporary.enter_context(tempfile.TemporaryFile(dir=_beside(file))) for _ in range(3)
        )
        n_rows = n_letters = 0
        for block in blocks:
            kept = np.array([reason is None for reason in block.reasons], dtype=np.bool_)
            names = [block.names[place] for place in np.flatnonzero(kept).tolist()]
            # The name of a file need not be text; the bytes of an index's ids are the same.
            encoded = [name.encode("utf-8", "surrogatepass") for name in names]
            rows.write(block.rows[kept].astype(about.dtype).tobytes())
            letters.write(b"".join(encoded))
            ends.write(
                (n_letters + np.cumsum([len(name) for name in encoded], dtype=np.int64)).tobytes()
            )
            n_rows, n_letters = n_rows + len(names), n_letters + sum(map(len, encoded))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _copy(archive, "embeddings", rows, npy_header((n_rows, about.width), about.dtype))
            _copy(archive, "name_utf8", letters, npy_header((n_letters,), "uint8"))
            _copy(archive, "name_ends", ends, npy_header((n_rows,), "int64"))


def npy_header(shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """Return the header of an array in C order, as numpy's format has it."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    return {"descr": descr, "fortran_order": False, "shape": shape}


def _beside(file: BinaryIO) -> Path | None:
    """Return the folder of a file; None for the standard output, whose name is no path."""
    place = Path(str(getattr(file, "name", "")))
    return place.parent if place.is_absolute() else None


def _copy(archive: zipfile.ZipFile, name: str, source: IO[bytes], header: dict[str, Any]) -> None:
    source.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        shutil.copyfileobj(source, member, _COPIED_BYTES)
