"""Pairs in a folder of images: one table or list of captions, or a text file beside each image."""

import logging
import os
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Final

from twinlens.datasets.hidden_names import is_hidden
from twinlens.datasets.image_folder import files_in_folder, is_image_file
from twinlens.datasets.layouts.pair_table import read_csv_pairs
from twinlens.datasets.pairs import Columns, Lose, Pairs
from twinlens.datasets.quoting import quoted_path
from twinlens.errors import PairsError, quoted
from twinlens.images.named_image import NamedImage

logger = logging.getLogger(__name__)

TABLE: Final = "captions.csv"
LIST: Final = "captions.txt"
CAPTION: Final = ".txt"
METADATA_SUFFIXES: Final = frozenset({".csv", ".jsonl", ".parquet"})
CLASS_DEPTHS: Final = frozenset({2, 3})
"""Parts of class/name.jpg and of split/class/name.jpg."""


def read_folder_pairs(folder: Path, *, columns: Columns, lose: Lose) -> Pairs:
    """Read the pairs of a folder: its table of captions, else name.jpg with name.txt, else classes.

    The table is captions.csv, captions.txt, or the metadata of a Hugging Face image folder:
    metadata.csv, .jsonl or .parquet with a column file_name, in the folder or one or two below.
    captions.txt has an image, a tab and a caption on each line, as in Flickr30k; the caption number
    after the image, as in `dog.jpg#0`, is not part of its name. A name.txt has one caption a line.
    Without any text, an image folder in the layout of torchvision and Hugging Face, class/name.jpg,
    has the class as text and as class of each image. Hidden files are left out; a text without an
    image, such as README.txt, is left out with a warning.

    Raises:
        PairsError: an image has no caption, or no text has an image.
        OSError: the folder cannot be listed.
    """
    if (folder / TABLE).is_file():
        return read_csv_pairs(folder / TABLE, columns=columns, root=folder, lose=lose)
    if (folder / LIST).is_file():
        return _pairs_of(_read_list(folder / LIST, lose))
    files = _list_files(folder, lose)
    classes = class_folders(folder, files)
    if classes is not None:
        return Pairs(images=files, texts=classes, kinds=classes)
    return _pairs_of(_read_files(folder, files, lose))


def metadata_files(folder: Path) -> list[Path]:
    """Return the tables of a Hugging Face image folder, sorted: one each for its splits."""
    return sorted(
        path
        for depth in ("", "*/", "*/*/")
        for path in folder.glob(f"{depth}metadata.*")
        if path.suffix.lower() in METADATA_SUFFIXES
        and path.is_file()
        and not is_hidden(path.relative_to(folder).parts)
    )


def class_folders(folder: Path, files: Sequence[Path]) -> list[str] | None:
    """Return the class of each file by its folder; None unless they are images of several classes.

    All lie equally deep: in class/name.jpg or in split/class/name.jpg.
    """
    depths = {len(path.relative_to(folder).parts) for path in files}
    classes = [path.parent.name for path in files]
    is_one_layout = len(depths) == 1 and depths <= CLASS_DEPTHS and len({*classes}) > 1
    return classes if is_one_layout and all(map(is_image_file, files)) else None


def _pairs_of(rows: Sequence[tuple[Path, str]]) -> Pairs:
    return Pairs(images=[image for image, _ in rows], texts=[text for _, text in rows])


def _read_list(path: Path, lose: Lose) -> list[tuple[Path, str]]:
    rows = []
    for number, line in enumerate(_read_lines(path), start=1):
        name, tab, caption = line.partition("\t")
        images = (path.parent / name, path.parent / name.rpartition("#")[0])
        # Path.is_file raises OSError for a name that is too long.
        image = next((i for i in images if os.path.isfile(i)), None)  # noqa: PTH113
        if not tab or not caption.strip():
            lose(
                PairsError(
                    f"{quoted_path(path)} line {number} is not an image, a tab and a caption"
                )
            )
        elif image is None:
            shown = quoted_path(images[0])
            lose(PairsError(f"{quoted_path(path)} line {number} names {shown}, which is no file"))
        else:
            rows.append((image, caption.strip()))
    if not rows:
        raise PairsError(f"{quoted_path(path)} is empty; give an image, a tab and a caption a line")
    return rows


def _list_files(folder: Path, lose: Lose) -> list[Path]:
    files: list[Path] = []
    for found in files_in_folder(folder, wanted=lambda p: is_image_file(p) or _is_caption(p)):
        if isinstance(found, NamedImage):
            lose(PairsError(str(found.image)))
        else:
            files.append(found)
    return files


def _read_files(folder: Path, files: Sequence[Path], lose: Lose) -> list[tuple[Path, str]]:
    images = [path for path in files if is_image_file(path)]
    texts = {path.with_suffix(CAPTION): path for path in files if _is_caption(path)}
    expected = {path.with_suffix(CAPTION) for path in images}
    lonely = [path for stem, path in texts.items() if stem not in expected]
    if lonely and not expected & texts.keys():
        raise PairsError(
            f"{quoted_path(lonely[0])} has no image beside it; remove it or add the image"
        )
    if not images:
        raise PairsError(
            f"{quoted_path(folder)} has neither {TABLE} nor {LIST}, nor an image with a caption "
            "beside it"
        )
    for path in lonely:
        logger.warning("%s has no image beside it; it is left out", quoted_path(path))
    rows: list[tuple[Path, str]] = []
    for image in images:
        try:
            caption = texts.get(image.with_suffix(CAPTION))
            rows += [(image, text) for text in _captions_of(image, caption)]
        except PairsError as error:
            lose(error)
    return rows


def _captions_of(image: Path, path: Path | None) -> list[str]:
    if path is None:
        raise PairsError(
            f"{quoted_path(image)} has no caption; write it to "
            f"{quoted(image.with_suffix(CAPTION).name)} beside it"
        )
    captions = [line.strip() for line in _read_lines(path) if line.strip()]
    if not captions:
        raise PairsError(f"{quoted_path(path)} is empty; write a caption a line")
    return captions


def _read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; only a line feed or a carriage return ends one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PairsError(
            f"{quoted_path(path)} is not UTF-8: {error.reason}; save it as UTF-8"
        ) from error
    # splitlines would end a line at U+2028 too, which a caption may hold.
    return (line.removesuffix("\n") for line in StringIO(text, newline=None))


def _is_caption(path: Path) -> bool:
    return path.suffix.lower() == CAPTION
