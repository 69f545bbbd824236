"""Columns of a table of pairs, found by the names that data sets give them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinlens.datasets.pairs import NO_LABELS, Columns
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import PairsError, amount, quoted

logger = logging.getLogger(__name__)

IMAGE: Final = Columns().image
TEXT: Final = Columns().text
LABEL: Final = "label"
FILE_NAME: Final = "file_name"
"""Column of images in the metadata of a Hugging Face image folder; "label" is a class there."""
IMAGE_NAMES: Final = (IMAGE, FILE_NAME, "jpg", "jpeg", "png", "webp")
"""Names of a column of images, where none is asked for: img2dataset names its by their format."""
TEXT_NAMES: Final = (TEXT, "caption", "captions")
STATUS: Final = ("status", "error_message")
"""Columns of img2dataset: of a row that was not fetched, and has no image."""
FETCHED: Final = "success"


def find_columns(columns: Columns, names: Sequence[str], path: Path) -> Columns:
    """Return the columns to read: each exists once, and those not asked for go by their names.

    Raises:
        PairsError: a column is missing, or there twice.
    """
    image = find_image_column(columns.image, names)
    text = _first(TEXT_NAMES, names, columns.text) if columns.text == TEXT else columns.text
    kind, label = columns.kind, columns.label
    if image == FILE_NAME != columns.image and LABEL in names and label is None:
        kind, label = kind or LABEL, NO_LABELS
    if label is None and LABEL in names and kind != LABEL:
        label = LABEL
    elif label == NO_LABELS:
        label = None
    for name in (image, text, label, kind, columns.group):
        if name is not None and names.count(name) != 1:
            number = "more than one" if name in names else "no"
            raise PairsError(
                f"{quoted_path(path)} has {number} column {quoted_value(name)}; its columns are "
                f"{quoted(', '.join(names))}"
                f"{cure_of_columns(names, 'Columns or --image-column')}"
            )
    return Columns(image=image, text=text, label=label, kind=kind, group=columns.group)


def cure_of_columns(names: Sequence[str], how: str) -> str:
    """Return the cure for a table that lacks a column; `how` tells how others are named."""
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            return f"; its cells are parted by {word}: save it with commas, or with tabs as .tsv"
    return f"; name yours, as by {how}"


def names_of(columns: Columns) -> list[str]:
    """Return the names of the columns that are read, each once."""
    asked = (columns.image, columns.text, columns.label, columns.kind, columns.group)
    return list(dict.fromkeys(name for name in asked if name))


def find_status(names: Sequence[str]) -> str | None:
    """Return the column that tells if a row was fetched, in a table of img2dataset."""
    return STATUS[0] if set(STATUS) <= set(names) else None


def warn_of_unfetched(path: Path, n_rows: int) -> None:
    """Log the number of rows that were left out, as they were not fetched, if there are any."""
    if n_rows:
        logger.warning("%s: left out, as not fetched: %s", quoted_path(path), amount(n_rows, "row"))


def find_image_column(asked: str, names: Sequence[str]) -> str:
    """Return the column of images: as asked for, or by its name where the default is."""
    return _first(IMAGE_NAMES, names, asked) if asked == IMAGE else asked


def _first(known: Sequence[str], names: Sequence[str], otherwise: str) -> str:
    return next((name for name in known if name in names), otherwise)
