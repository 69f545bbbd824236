"""Reading of images from a folder, a glob pattern, a tar, a Parquet file or an image file."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from twinlens.datasets.column_names import find_image_column
from twinlens.datasets.formats.parquet_file import open_parquet
from twinlens.datasets.formats.tar_archive import tar_members
from twinlens.datasets.image_folder import (
    GLOB_CHARACTERS,
    FoundFile,
    files_in_folder,
    files_matching,
)
from twinlens.datasets.image_parquet import MAX_PATH, images_in_parquet
from twinlens.datasets.image_tar import images_in_tar
from twinlens.datasets.unread_formats import ImageSuffixes
from twinlens.errors import DatasetError, ImageError, missing
from twinlens.images.named_image import ListedImage, NamedImage

TAR_SUFFIXES: Final = frozenset({".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst"})
PACKED_SUFFIXES: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4", ".z"})

WANTED: Final = "give a file, a folder, or a pattern such as"


def read_images(
    source: str | os.PathLike[str],
    *,
    column: str = "image",
    image_root: str | os.PathLike[str] | None = None,
) -> Iterator[NamedImage]:
    """Read images one at a time, each with a name, for `Model.stream_images`.

    A folder is read with its subfolders and the tars in them, sorted by path, or the Parquet files
    of a folder that has neither images nor tars; a tar in webdataset layout, front to back; a
    Parquet file a few rows at a time, but for rows that img2dataset did not fetch; a pattern such
    as `photos/**/*.jpg` or `shards/*.tar` gives the matching files, and the images in matching tars
    and Parquet files; any other file is one image. Only paths and encoded bytes are read, nothing
    is decoded.

        images = twinlens.read_images("photos.parquet", column="photo")
        for block in model.stream_images(images, on_error="skip"): ...

    Images of a folder that Pillow does not read, as HEIC, are left out and counted in a warning.
    Left out without a word are files of a folder or a tar without the suffix of an image; hidden
    files and folders (._IMG.JPG, .thumbnails, @eaDir, __MACOSX, bins), unless the source names
    them; links to folders below a folder; links to nothing; pipes and devices.

    Lost images are items with an error, and `on_error` decides: a folder that cannot be listed, a
    link to itself, a link in a tar, a member above 256 MiB, the second member of one name, a
    damaged stretch or the torn end of a tar, a wrong checksum of a .tar.gz, a damaged row group or
    a cell without an image in Parquet, and a file of a folder or a pattern that has the suffix of a
    tar and is none. A compressed tar, or a row group of Parquet, that expands beyond 1,032 times
    the size of its file and 256 MiB more is an error there.

    Args:
        source: a file, a folder or a pattern.
        column: column of a Parquet file: paths, bytes, or structs {bytes, path}. Where there is no
            "image", jpg, png, webp or file_name.
        image_root: folder that relative paths in a Parquet file start from; by default the folder
            of the file.

    Raises:
        FileNotFoundError: the source does not exist.
        OSError: the source cannot be opened or listed.
        DatasetError: the source itself is no tar, or no Parquet file with that column. All three
            come at once, so that no work is lost by the last of several sources.
    """
    path = Path(source)
    if not is_there(path) and len(os.fspath(source)) > MAX_PATH:
        raise missing(path, "give encoded images to the model as bytes")
    root = None if image_root is None else Path(image_root)
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises OSError for a name too long
        os.scandir(path).close()
        is_image = ImageSuffixes()
        files = files_in_folder(
            path, wanted=lambda file: is_tar(file) or is_parquet(file) or is_image(file)
        )
        images = _images_of_each(_tables_last_or_not(files), column=column, root=root)
        return _warned_of(images, is_image, path)
    if not is_there(path):
        if GLOB_CHARACTERS & set(os.fspath(source)):
            files = files_matching(os.fspath(source))
            return _images_of_each(files, column=column, root=root)
        raise missing(path, f"{WANTED} 'photos/*.jpg'")
    _check_file(path, column)
    return _images_of_file(path, column=column, root=root)


def is_there(path: Path) -> bool:
    """Return True if a path exists; of one that no path can be, too long or with a zero, False."""
    return os.path.exists(path)  # noqa: PTH110  Path.exists raises OSError for a name too long


def is_tar(path: Path) -> bool:
    """Return True if the file has the suffix of a tar, compressed or not.

    >>> [is_tar(Path(name)) for name in ("a.tar", "a.tgz", "a.tar.GZ", "a.tar.jpg")]
    [True, True, True, False]
    """
    *before, last = ["", *(suffix.lower() for suffix in path.suffixes)]
    return last in TAR_SUFFIXES or (before[-1:] == [".tar"] and last in PACKED_SUFFIXES)


def is_parquet(path: Path) -> bool:
    """Return True if the file has the suffix of Parquet."""
    return path.suffix.lower() == ".parquet"


def _tables_last_or_not(files: Iterator[FoundFile]) -> Iterator[FoundFile]:
    """Yield the files of a folder without its Parquet files, or these where there are no others.

    Beside images or tars they are tables about them.
    """
    tables, is_alone = list[FoundFile](), True
    for file in files:
        if isinstance(file, Path) and is_parquet(file):
            tables.append(file)
        else:
            is_alone = is_alone and isinstance(file, NamedImage)
            yield file
    if is_alone:
        yield from tables


def _images_of_each(
    files: Iterator[FoundFile], *, column: str, root: Path | None
) -> Iterator[NamedImage]:
    """Yield the images of each file; a file that is no tar or no Parquet is one lost image."""
    for file in files:
        if isinstance(file, NamedImage):
            yield file
            continue
        try:
            yield from _images_of_file(file, column=column, root=root)
        except (DatasetError, OSError) as error:
            yield NamedImage(str(file), ImageError(str(error)))


def _warned_of(
    images: Iterator[NamedImage], is_image: ImageSuffixes, folder: Path
) -> Iterator[NamedImage]:
    yield from images
    is_image.warn(folder)


def _check_file(path: Path, column: str) -> None:
    """Open a file and close it again: those of many sources are not open together.

    Raises:
        OSError, DatasetError: as `read_images`.
    """
    if is_parquet(path):
        with open_parquet(path) as file:
            file.require_columns([find_image_column(column, file.columns)])
    elif is_tar(path):
        with closing(tar_members(path, wanted=lambda _: False)) as members:
            next(members, None)


def _images_of_file(path: Path, *, column: str, root: Path | None) -> Iterator[NamedImage]:
    if is_parquet(path):
        return images_in_parquet(path, column=column, root=path.parent if root is None else root)
    if is_tar(path):
        return images_in_tar(path)
    return iter([ListedImage(str(path), path)])
