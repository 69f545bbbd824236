"""Reading of pairs from a table, a tar or a folder."""

import os
from pathlib import Path
from typing import Final

from twinlens.datasets.pair_folder import read_folder_pairs
from twinlens.datasets.pair_table import DELIMITERS, read_csv_pairs, read_parquet_pairs
from twinlens.datasets.pair_tar import read_tar_pairs
from twinlens.datasets.pairs import Columns, Pairs
from twinlens.datasets.read_images import is_tar
from twinlens.errors import PairsError

_DEFAULT_COLUMNS: Final = Columns()


def read_pairs(
    source: str | os.PathLike[str],
    *,
    columns: Columns = _DEFAULT_COLUMNS,
    image_root: str | os.PathLike[str] | None = None,
) -> Pairs:
    """Read pairs: .csv, .tsv, .parquet, .tar in webdataset layout, or a folder with captions.

        pairs = twinlens.read_pairs("pairs.csv", columns=twinlens.Columns(text="caption"))

    Args:
        source: the file or folder.
        columns: column names of a table.
        image_root: folder that relative image paths in a table start from; by default the folder of
            the table.

    Raises:
        PairsError: a row is no pair, with its line; or the source is in no known format.
    """
    path = Path(source)
    if path.is_dir():
        return read_folder_pairs(path, columns=columns)
    if not path.exists():
        raise PairsError(f"{path} does not exist")
    root = path.parent if image_root is None else Path(image_root)
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return read_csv_pairs(path, columns=columns, root=root, delimiter=DELIMITERS[suffix])
    if suffix == ".parquet":
        return read_parquet_pairs(path, columns=columns, root=root)
    if is_tar(path):
        return read_tar_pairs(path)
    raise PairsError(
        f"{path} is not known as pairs; give .csv, .tsv, .parquet, .tar or a folder with captions"
    )
