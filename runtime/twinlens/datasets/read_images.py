"""Reading of images from a folder, a glob pattern, a tar, a Parquet file or an image file."""

import os
from collections.abc import Iterator
from pathlib import Path

from twinlens.datasets.image_folder import GLOB_CHARACTERS, images_in_folder, images_matching
from twinlens.datasets.image_parquet import images_in_parquet
from twinlens.datasets.image_tar import images_in_tar
from twinlens.images.named_image import NamedImage


def read_images(
    source: str | os.PathLike[str],
    *,
    column: str = "image",
    image_root: str | os.PathLike[str] | None = None,
) -> Iterator[NamedImage]:
    """Read images one at a time, each with a name, for `Model.stream_images`.

    A folder is read with its subfolders, sorted by path; a tar in webdataset layout, front to back;
    a Parquet file a few rows at a time; a pattern such as "photos/**/*.jpg" gives the matching
    files; any other file is one image. Only paths and encoded bytes are read, nothing is decoded.

        images = twinlens.read_images("photos.parquet", column="photo")
        for block in model.stream_images(images, on_error="skip"): ...

    Args:
        source: a file, a folder or a pattern.
        column: column of a Parquet file: paths, bytes, or structs {bytes, path}.
        image_root: folder that relative paths in a Parquet file start from; by default the folder
            of the file.

    Raises:
        FileNotFoundError: the source does not exist.
        DatasetError: during iteration: the tar is truncated, or the file is not Parquet with that
            column.
    """
    path = Path(source)
    if path.is_dir():
        return images_in_folder(path)
    if not path.exists():
        if GLOB_CHARACTERS & set(os.fspath(source)):
            return images_matching(os.fspath(source))
        raise FileNotFoundError(f"{path} does not exist")
    if path.suffix.lower() == ".parquet":
        root = path.parent if image_root is None else Path(image_root)
        return images_in_parquet(path, column=column, root=root)
    if is_tar(path):
        return images_in_tar(path)
    return iter([NamedImage(str(path), path)])


def is_tar(path: Path) -> bool:
    """Return True if the file has the suffix of a tar, compressed or not."""
    return ".tar" in [part.lower() for part in path.suffixes]
