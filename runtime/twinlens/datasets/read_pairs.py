"""Reading of pairs from a table, a tar, a folder, or several tables and tars by a pattern."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

from twinlens.dataframes import Table, is_table
from twinlens.datasets.image_folder import (
    GLOB_CHARACTERS,
    FoundFile,
    files_in_folder,
    files_matching,
    is_image_file,
)
from twinlens.datasets.image_parquet import MAX_PATH
from twinlens.datasets.layouts.coco_captions import read_coco_pairs
from twinlens.datasets.layouts.json_lines import read_jsonl_pairs
from twinlens.datasets.layouts.pair_folder import LIST, TABLE, metadata_files, read_folder_pairs
from twinlens.datasets.layouts.pair_frame import read_frame_pairs
from twinlens.datasets.layouts.pair_table import DELIMITERS, read_csv_pairs, read_parquet_pairs
from twinlens.datasets.layouts.pair_tar import read_tar_pairs
from twinlens.datasets.pairs import Columns, Lose, Pairs
from twinlens.datasets.quoting import quoted_path
from twinlens.datasets.read_images import WANTED, is_parquet, is_tar, is_there
from twinlens.errors import PairsError, amount, missing
from twinlens.images.named_image import NamedImage

logger = logging.getLogger(__name__)

_DEFAULT_COLUMNS: Final = Columns()


def read_pairs(
    source: str | os.PathLike[str] | Table,
    *,
    columns: Columns = _DEFAULT_COLUMNS,
    image_root: str | os.PathLike[str] | None = None,
    on_error: Literal["raise", "skip"] | Callable[[PairsError], None] = "raise",
) -> Pairs:
    """Read pairs: a table, a tar, a captions JSON, a folder, a pattern of files, or a DataFrame.

    Read as they come are .csv, .tsv, .jsonl and .parquet; .tar and .tgz in webdataset layout
    (key.jpg with key.txt or key.json); COCO's captions JSON; a folder with captions or classes; a
    Hugging Face image folder with its metadata, or a folder of Parquet files; and img2dataset's
    output in each of its layouts, of which rows that were not fetched are left out. Columns go by
    the names that those have: text or caption; image, file_name, jpg, png or webp.

        pairs = twinlens.read_pairs("pairs.csv", columns=twinlens.Columns(text="caption"))
        pairs = twinlens.read_pairs("shards/*.tar", on_error="skip")

    A DataFrame of pandas or polars, a pyarrow table or a dict of columns is read as a table of
    Parquet is; its cells may also hold paths, PIL images and arrays, and its columns may be named
    query and response, whichever of them holds the images.

    Left out without a word are hidden files, and files of a folder or a tar that are neither an
    image nor a .txt; with a warning, a .txt without an image, such as README.txt.

    Args:
        source: the file or folder; a folder of tars or of Parquet files; a pattern of them; or a
            table in memory.
        columns: column names of a table.
        image_root: folder that relative image paths in a table start from; by default the folder of
            the table (of one in memory the working directory), and of a captions JSON also its like
            beside it, as val2017.
        on_error: "raise" for the first row, image or caption that is no pair; "skip" to leave it
            out with a warning; or an act of your own on its PairsError, such as `lost.append`.

    Raises:
        PairsError: a row is no pair, with its line; there is no pair; a tar or a table is no whole
            one, whose rest would be lost, if on_error is "raise"; or the source is in no known
            format.
        OSError: the source cannot be opened or listed.
        TypeError: the source is neither a path nor a table.
        ValueError: on_error is none of these.
    """
    lose = act_on_loss(on_error)
    if is_table(source):
        root = Path() if image_root is None else Path(image_root)
        return read_frame_pairs(source, columns=columns, root=root, lose=lose)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"the pairs are a {type(source).__name__}, wanted a path or a DataFrame; make Pairs of "
            "lists"
        )
    path = Path(source)
    if is_there(path) and not path.is_dir():
        return _read_file(path, columns, image_root, lose)
    if is_there(path):
        shards = shards_of(path, lose)
        if not shards:
            return read_folder_pairs(path, columns=columns, lose=lose)
    elif GLOB_CHARACTERS & set(os.fspath(source)) and len(os.fspath(source)) <= MAX_PATH:
        shards = _paths(files_matching(os.fspath(source)), lose)
    else:
        raise PairsError(str(missing(path, f"{WANTED} 'shards/*.tar'")))
    if not shards:
        raise PairsError(
            f"no file matches {quoted_path(path)}; name a file, a folder or another pattern"
        )
    return _read_shards(shards, columns, image_root, lose)


def as_pairs(pairs: Pairs | Table) -> Pairs:
    """Return pairs as they are, and those of a table in memory as read by `read_pairs`.

    Raises:
        PairsError: it is neither, or a row is no pair.
    """
    if isinstance(pairs, Pairs):
        return pairs
    if is_table(pairs):
        return read_pairs(pairs)
    raise PairsError(
        f"the pairs are a {type(pairs).__name__}, wanted Pairs or a DataFrame; read a file by "
        "read_pairs"
    )


def _raise(error: PairsError) -> None:
    raise error


def _warn(error: PairsError) -> None:
    logger.warning("%s; it is left out", error)


def act_on_loss(on_error: str | Lose) -> Lose:
    """Return the act on what is no pair."""
    if callable(on_error):
        return on_error
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is {on_error!r}, not 'raise', 'skip' or a function")
    return _raise if on_error == "raise" else _warn


def shards_of(folder: Path, lose: Lose) -> list[Path]:
    """Return the files of pairs in a folder that has neither a table nor a list of captions.

    They are its metadata, or, without an image, its tars, or its Parquet files.
    """
    if (folder / TABLE).is_file() or (folder / LIST).is_file():
        return []
    if found := metadata_files(folder):
        return found
    shards: dict[bool, list[FoundFile]] = {True: [], False: []}
    for file in files_in_folder(folder, wanted=lambda p: is_image_file(p) or _is_shard(p)):
        if isinstance(file, Path) and is_image_file(file):
            return []
        shards[isinstance(file, NamedImage) or is_tar(file)].append(file)
    # Parquet files beside tars are img2dataset's tables of them.
    has_tars = any(isinstance(file, Path) for file in shards[True])
    return _paths(shards[True] + (shards[False] if not has_tars else []), lose)


def _is_shard(path: Path) -> bool:
    return is_tar(path) or is_parquet(path)


def _paths(files: Iterable[FoundFile], lose: Lose) -> list[Path]:
    """Return the files that can be read."""
    paths = []
    for file in files:
        if isinstance(file, NamedImage):
            lose(PairsError(str(file.image)))
        else:
            paths.append(file)
    return paths


def _read_file(
    path: Path, columns: Columns, image_root: str | os.PathLike[str] | None, lose: Lose
) -> Pairs:
    root = path.parent if image_root is None else Path(image_root)
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return read_csv_pairs(
            path, columns=columns, root=root, lose=lose, delimiter=DELIMITERS[suffix]
        )
    if is_parquet(path):
        return read_parquet_pairs(path, columns=columns, root=root, lose=lose)
    if suffix == ".jsonl":
        return read_jsonl_pairs(path, columns=columns, root=root, lose=lose)
    if suffix == ".json":
        return read_coco_pairs(path, root=None if image_root is None else root, lose=lose)
    if is_tar(path):
        return read_tar_pairs(path, lose=lose)
    raise PairsError(
        f"{quoted_path(path)} is not known as pairs; give .csv, .tsv, .jsonl, .parquet, .tar, "
        "a captions .json or a folder with captions"
    )


def _read_shards(
    paths: Sequence[Path],
    columns: Columns,
    image_root: str | os.PathLike[str] | None,
    lose: Lose,
) -> Pairs:
    """Read several files as one; a file without pairs is lost as a row is."""
    read: list[Pairs] = []
    for path in paths:
        try:
            read.append(_read_file(path, columns, image_root, lose))
        except PairsError as error:
            lose(error)
    for name in ("labels", "kinds", "groups"):
        if len({getattr(pairs, name) is None for pairs in read}) > 1:
            raise PairsError(
                f"of {amount(len(read), 'file')}, only some have {name}; read them one by one"
            )
    labelled = bool(read) and read[0].labels is not None
    classed, grouped = bool(read) and read[0].kinds, bool(read) and read[0].groups
    return Pairs(
        images=[image for pairs in read for image in pairs.images],
        texts=[text for pairs in read for text in pairs.texts],
        labels=[label for pairs in read for label in pairs.labels or ()] if labelled else None,
        kinds=[kind for pairs in read for kind in pairs.kinds or ()] if classed else None,
        groups=[group for pairs in read for group in pairs.groups or ()] if grouped else None,
    )
