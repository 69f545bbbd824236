"""The one door to pairs on disk, whatever they are kept in."""

import os
from pathlib import Path

from twinlens.datasets.pair_folder import read_folder
from twinlens.datasets.pair_table import DELIMITERS, read_csv, read_parquet
from twinlens.datasets.pair_tar import read_shard
from twinlens.datasets.pairs import Columns, Pairs
from twinlens.datasets.read_images import is_tar
from twinlens.errors import PairsError

_BY_DEFAULT = Columns()


def read_pairs(
    place: str | os.PathLike[str],
    *,
    columns: Columns = _BY_DEFAULT,
    pictures: str | os.PathLike[str] | None = None,
) -> Pairs:
    """Read pairs: .csv, .tsv, .parquet, .tar as webdataset packs it, or a folder with captions.

    Args:
        place: the file or folder.
        columns: how a table names its columns.
        pictures: the folder that a table's image paths start from; its own by default.

    Raises:
        PairsError: a row is no pair, and which; or nothing there is known as pairs.
    """
    path = Path(place)
    if path.is_dir():
        return read_folder(path, columns=columns)
    if not path.exists():
        raise PairsError(f"{path} does not exist")
    start = path.parent if pictures is None else Path(pictures)
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return read_csv(path, columns=columns, pictures=start, delimiter=DELIMITERS[suffix])
    if suffix == ".parquet":
        return read_parquet(path, columns=columns, pictures=start)
    if is_tar(path):
        return read_shard(path)
    raise PairsError(
        f"{path} is not known as pairs; give .csv, .tsv, .parquet, .tar or a folder with captions"
    )
