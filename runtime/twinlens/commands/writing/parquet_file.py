"""The .parquet of `twinlens embed`: one file of the schema of a folder, in order of the source."""

import math
from collections.abc import Iterable
from typing import BinaryIO, Final

import numpy as np

from twinlens.bulk.gather import gathered
from twinlens.bulk.items import ItemBlock
from twinlens.bulk.schema import StoredAbout, table_of
from twinlens.datasets.formats.embedding_schema import PARQUET
from twinlens.datasets.formats.parquet_file import pyarrow

GROUP_ROWS: Final = 8192


def write_parquet(file: BinaryIO, blocks: Iterable[ItemBlock], about: StoredAbout) -> None:
    """Write every item, a lost one with its reason; memory holds a row group.

    Raises:
        ImportError: pyarrow is not installed.
    """
    library = pyarrow("the output")
    with library.parquet.ParquetWriter(file, about.schema(), **PARQUET) as writer:
        for group in gathered(blocks, rows=GROUP_ROWS, seconds=math.inf):
            names = [name for block in group for name in block.names]
            reasons = [reason for block in group for reason in block.reasons]
            rows = np.concatenate([block.rows for block in group])
            writer.write_table(table_of(names, rows, about, reasons=reasons))
