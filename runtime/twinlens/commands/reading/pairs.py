"""Pairs of the command line, read by the columns that the options name."""

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from twinlens.commands.parsing.arguments import IMAGE_COLUMN, TEXT_COLUMN
from twinlens.commands.reading.inputs import refuse_unused
from twinlens.datasets.layouts.pair_folder import TABLE
from twinlens.datasets.pairs import Columns, Pairs
from twinlens.datasets.read_images import is_tar
from twinlens.datasets.read_pairs import read_pairs, shards_of
from twinlens.datasets.read_same_pairs import read_image_pairs, read_text_pairs
from twinlens.datasets.same_pairs import ImagePairs, TextPairs
from twinlens.errors import PairsError

AnyPairs = TypeVar("AnyPairs", Pairs, ImagePairs, TextPairs)

logger = logging.getLogger(__name__)

COLUMNS: Final = (
    "image_column",
    "text_column",
    "label_column",
    "class_column",
    "group_column",
    "images",
)
"""Options that only a table has a use for."""


def read_column_pairs(  # noqa: PLR0913  one column each, none by place
    options: argparse.Namespace,
    source: Path,
    *,
    label: str | None = None,
    kind: str | None = None,
    group: str | None = None,
    image_root: Path | None = None,
) -> tuple[Pairs, list[str]]:
    """Read the pairs of the command line, and the reasons of those that are left out.

    What is no pair, as a row without a text, is said and left out.

    Args:
        options: the parsed options, with the columns of images and texts.
        source: the file or folder of pairs.
        label: column of labels, as of `Columns`.
        kind: column of classes.
        group: column of groups.
        image_root: folder that relative image paths start from; by default that of the table.

    Raises:
        MisuseError: a column is named, but the source has no table.
        PairsError: there is no pair.
    """
    if source.is_dir():
        refuse_unused(options, {"images"} & vars(options).keys(), "is for a table, not a folder")
    if is_tar(source) or (source.is_dir() and not has_table(source)):
        refuse_columns(options, f"is for a table, and {source} has none")
    columns = Columns(
        image=options.image_column or IMAGE_COLUMN,
        text=options.text_column or TEXT_COLUMN,
        label=label,
        kind=kind,
        group=group,
    )
    return _leaving_out(partial(read_pairs, source, columns=columns, image_root=image_root))


def read_same_pairs(
    options: argparse.Namespace, source: Path, *, label: str | None
) -> tuple[ImagePairs | TextPairs, list[str]] | None:
    """Read pairs of two images or two texts, if the options name a second column of either.

    Raises:
        MisuseError: they name both, or a column of the other modality.
        PairsError: there is no pair.
    """
    images2, texts2 = options.images2, options.texts2
    if images2 is None and texts2 is None:
        return None
    if images2 is not None:
        refuse_unused(options, ("texts2", "text_column"), "is for pairs of texts, not of --images2")
    else:
        refuse_unused(options, ("image_column",), "is for pairs with images, not of --texts2")
    if images2 is not None:
        images = options.image_column or IMAGE_COLUMN
        return _leaving_out(
            partial(read_image_pairs, source, images=images, others=images2, label=label)
        )
    texts = options.text_column or TEXT_COLUMN
    return _leaving_out(partial(read_text_pairs, source, texts=texts, others=texts2, label=label))


def _leaving_out(read: Callable[..., AnyPairs]) -> tuple[AnyPairs, list[str]]:
    """Read pairs, and the reasons of those that are left out; each is said.

    Args:
        read: reads pairs, and hands rows without a pair to its argument `on_error`.
    """
    lost: list[PairsError] = []
    try:
        pairs = read(on_error=lost.append)
    except PairsError:
        if lost:  # the reason why there is no pair
            raise lost[0] from None
        raise
    for error in lost:
        logger.warning("%s; it is left out", error)
    return pairs, [str(error) for error in lost]


def has_table(folder: Path) -> bool:
    """Return True if a folder of pairs has a table with columns."""
    tables = (path for path in shards_of(folder, _ignore) if not is_tar(path))
    return (folder / TABLE).is_file() or any(True for _ in tables)


def _ignore(_: PairsError) -> None:
    """Leave the error to the reading of the pairs."""


def refuse_columns(options: argparse.Namespace, reason: str) -> None:
    """Refuse the options of a table, where none is read.

    Raises:
        MisuseError: one of them is given.
    """
    refuse_unused(options, [name for name in COLUMNS if hasattr(options, name)], reason)
