"""A folder of pictures with captions: one table for all of them, or a text file beside each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twinlens.datasets.pair_table import read_csv
from twinlens.datasets.pairs import Columns, Pairs
from twinlens.errors import PairsError
from twinlens.images.load import IMAGE_SUFFIXES

TABLE: Final = "captions.csv"
LIST: Final = "captions.txt"


def read_folder(folder: Path, *, columns: Columns) -> Pairs:
    """Pairs of a folder: of its captions.csv, its captions.txt, or its name.jpg and name.txt.

    captions.txt has a picture, a tab and a caption on each line, as Flickr30k writes them; the
    caption's number behind the picture, as in `dog.jpg#0`, is no part of its name. A name.txt has
    one caption a line.

    Raises:
        PairsError: a picture has no caption, or a caption no picture.
    """
    if (folder / TABLE).is_file():
        return read_csv(folder / TABLE, columns=columns, pictures=folder)
    rows = _listed(folder / LIST) if (folder / LIST).is_file() else _beside(folder)
    images, texts = zip(*rows, strict=True)
    return Pairs(images=images, texts=texts)


def _listed(path: Path) -> list[tuple[Path, str]]:
    rows = []
    for number, line in enumerate(_read(path).splitlines(), start=1):
        name, tab, caption = line.partition("\t")
        if not tab or not caption.strip():
            raise PairsError(f"{path} line {number} is not a picture, a tab and a caption")
        picture = path.parent / name
        if not picture.is_file():
            picture = path.parent / name.rpartition("#")[0]
        if not picture.is_file():
            raise PairsError(f"{path} line {number} names {path.parent / name}, which is no file")
        rows.append((picture, caption.strip()))
    if not rows:
        raise PairsError(f"{path} is empty; give a picture, a tab and a caption a line")
    return rows


def _beside(folder: Path) -> list[tuple[Path, str]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    named = {path.with_suffix(".txt") for path in pictures}
    lonely = [path for path in files if path.suffix.lower() == ".txt" and path not in named]
    if lonely:
        raise PairsError(f"{lonely[0]} has no picture beside it; remove it or add the picture")
    if not pictures:
        raise PairsError(
            f"{folder} has neither {TABLE} nor {LIST}, nor a picture with a caption beside it"
        )
    return [(picture, caption) for picture in pictures for caption in _captions(picture)]


def _captions(picture: Path) -> Iterator[str]:
    path = picture.with_suffix(".txt")
    if not path.is_file():
        raise PairsError(f"{picture} has no caption; write it to {path.name} beside it")
    captions = [line.strip() for line in _read(path).splitlines() if line.strip()]
    if not captions:
        raise PairsError(f"{path} is empty; write a caption a line")
    yield from captions


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PairsError(f"{path} is not UTF-8: {error.reason}; save it as UTF-8") from error
