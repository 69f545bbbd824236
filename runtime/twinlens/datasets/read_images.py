"""The one door to pictures on disk, whatever they are kept in."""

import os
from collections.abc import Iterator
from pathlib import Path

from twinlens.datasets.image_folder import MAGIC, images_below, images_like
from twinlens.datasets.image_parquet import images_in_parquet
from twinlens.datasets.image_tar import images_in_tar
from twinlens.images.named_image import NamedImage


def read_images(
    place: str | os.PathLike[str],
    *,
    column: str = "image",
    pictures: str | os.PathLike[str] | None = None,
) -> Iterator[NamedImage]:
    """The pictures of a place, one at a time, each with a name: for `Model.stream_images`.

    A folder is read with all below it; a tar as webdataset packs it; a Parquet file a few rows at
    a time; a pattern such as "photos/**/*.jpg" gives the files that fit it; any other file is a
    picture itself.

    Args:
        place: the file, the folder or the pattern.
        column: the column of a Parquet file: paths, bytes, or structs {bytes, path}.
        pictures: the folder that its paths start from; the file's own by default.

    Raises:
        FileNotFoundError: the place does not exist.
        DatasetError: while they are read: it is no whole tar, or no Parquet with that column.
    """
    path = Path(place)
    if path.is_dir():
        return images_below(path)
    if not path.exists():
        if MAGIC & set(os.fspath(place)):
            return images_like(os.fspath(place))
        raise FileNotFoundError(f"{path} does not exist")
    if path.suffix.lower() == ".parquet":
        start = path.parent if pictures is None else Path(pictures)
        return images_in_parquet(path, column=column, folder=start)
    if is_tar(path):
        return images_in_tar(path)
    return iter([NamedImage(str(path), path)])


def is_tar(path: Path) -> bool:
    """Whether a file's name is that of a tar, packed or not."""
    return ".tar" in [part.lower() for part in path.suffixes]
