"""Pairs in a folder of images: one table or list of captions, or a text file beside each image."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twinlens.datasets.pair_table import read_csv_pairs
from twinlens.datasets.pairs import Columns, Pairs
from twinlens.errors import PairsError
from twinlens.images.load import IMAGE_SUFFIXES

TABLE: Final = "captions.csv"
LIST: Final = "captions.txt"


def read_folder_pairs(folder: Path, *, columns: Columns) -> Pairs:
    """Read the pairs of a folder: captions.csv, else captions.txt, else name.jpg with name.txt.

    captions.txt has an image, a tab and a caption on each line, as in Flickr30k; the caption number
    after the image, as in `dog.jpg#0`, is not part of its name. A name.txt has one caption a line.

    Raises:
        PairsError: an image has no caption, or a caption no image.
    """
    if (folder / TABLE).is_file():
        return read_csv_pairs(folder / TABLE, columns=columns, root=folder)
    rows = _read_list(folder / LIST) if (folder / LIST).is_file() else _read_files(folder)
    images, texts = zip(*rows, strict=True)
    return Pairs(images=images, texts=texts)


def _read_list(path: Path) -> list[tuple[Path, str]]:
    rows = []
    for number, line in enumerate(_read_utf8(path).splitlines(), start=1):
        name, tab, caption = line.partition("\t")
        if not tab or not caption.strip():
            raise PairsError(f"{path} line {number} is not an image, a tab and a caption")
        image = path.parent / name
        if not image.is_file():
            image = path.parent / name.rpartition("#")[0]
        if not image.is_file():
            raise PairsError(f"{path} line {number} names {path.parent / name}, which is no file")
        rows.append((image, caption.strip()))
    if not rows:
        raise PairsError(f"{path} is empty; give an image, a tab and a caption a line")
    return rows


def _read_files(folder: Path) -> list[tuple[Path, str]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    expected = {path.with_suffix(".txt") for path in images}
    lonely = [path for path in files if path.suffix.lower() == ".txt" and path not in expected]
    if lonely:
        raise PairsError(f"{lonely[0]} has no image beside it; remove it or add the image")
    if not images:
        raise PairsError(
            f"{folder} has neither {TABLE} nor {LIST}, nor an image with a caption beside it"
        )
    return [(image, caption) for image in images for caption in _captions_of(image)]


def _captions_of(image: Path) -> Iterator[str]:
    path = image.with_suffix(".txt")
    if not path.is_file():
        raise PairsError(f"{image} has no caption; write it to {path.name} beside it")
    captions = [line.strip() for line in _read_utf8(path).splitlines() if line.strip()]
    if not captions:
        raise PairsError(f"{path} is empty; write a caption a line")
    yield from captions


def _read_utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PairsError(f"{path} is not UTF-8: {error.reason}; save it as UTF-8") from error
