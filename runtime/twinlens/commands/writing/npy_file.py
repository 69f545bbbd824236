"""The .npy of `twinlens embed`: embeddings [B, D] alone, row i of the source's item i.

A lost item has a row of NaN, so that no row changes its place. There are no names: the order of the
source tells them, and `.npz` and `.parquet` hold them.
"""

from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from twinlens.bulk.items import ItemBlock
from twinlens.bulk.schema import StoredAbout
from twinlens.commands.writing.npz_file import npy_header


def write_npy(file: BinaryIO, blocks: Iterable[ItemBlock], about: StoredAbout) -> None:
    """Write the rows into a seekable file; memory holds a block."""
    _write_header(file, 0, about)
    n_rows = 0
    for block in blocks:
        file.write(block.rows.astype(about.dtype).tobytes())
        n_rows += len(block)
    file.seek(0)
    _write_header(file, n_rows, about)


def _write_header(file: BinaryIO, n_rows: int, about: StoredAbout) -> None:
    # numpy leaves room for the longest number of rows: the header keeps its length.
    np.lib.format.write_array_header_1_0(file, npy_header((n_rows, about.width), about.dtype))
