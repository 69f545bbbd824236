"""Number of the images of a source, where it can be told without reading them."""

import os
from collections.abc import Iterable
from pathlib import Path

from twinlens.datasets.formats.parquet_file import open_parquet
from twinlens.datasets.image_folder import FoundFile, files_in_folder, files_matching
from twinlens.datasets.read_images import is_tar
from twinlens.datasets.unread_formats import ImageSuffixes
from twinlens.errors import TwinlensError
from twinlens.images.named_image import NamedImage


def count_images(source: str | os.PathLike[str]) -> int | None:
    """Return the number of items that `read_images` gives of a source.

    Files are listed, and the metadata of Parquet is read. A tar has to be read as a whole: None,
    and so for a source that cannot be read.
    """
    path = Path(source)
    try:
        if path.is_dir():
            is_image = ImageSuffixes()
            return _total(files_in_folder(path, wanted=lambda file: is_tar(file) or is_image(file)))
        return _total([path] if path.exists() else files_matching(os.fspath(source)))
    except (OSError, TwinlensError, StopIteration):
        return None


def _total(files: Iterable[FoundFile]) -> int | None:
    total = 0
    for file in files:
        if isinstance(file, NamedImage):  # one that cannot be read is an item too
            total += 1
        elif is_tar(file):
            return None
        elif file.suffix.lower() == ".parquet":
            with open_parquet(file) as table:
                total += table.n_rows
        else:
            total += 1
    return total
