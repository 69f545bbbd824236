"""twinlens index: an index of images on disk."""

import argparse
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.commands.inputs import find_images, open_model
from twinlens.commands.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.printing.progress import Progress
from twinlens.commands.writing.targets import require_folder
from twinlens.images.named_image import NamedImage
from twinlens.index.index import Index
from twinlens.index.storage.folder import require_target
from twinlens.index.storage.manifest import MANIFEST
from twinlens.model.model import Model

logger = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> Outcome:
    """Embed the images into an index; their names are its ids."""
    _check_out(options.out, force=options.force)
    model = open_model(options)
    options.inputs = _once_each(options.inputs)
    lost: list[str] = []
    images = _first_of_each_name(find_images(options), lost)
    index = Index.write(
        options.out, _named_rows(model, images, lost, options.progress), about=model.about
    )
    return Outcome(
        lines=[f"{len(index)} images in {options.out}"],
        document={"out": str(options.out), "rows": len(index), "lost": lost},
        code=1 if lost else 0,
    )


def _check_out(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise MisuseError(f"--out {out} is a file or a device, but an index is a folder")
    require_target(out)
    require_folder(out, (MANIFEST,), force=force)


def _once_each(sources: Iterable[Path]) -> list[Path]:
    """Return the sources without those given again: nothing is lost by them, but they are named."""
    kept: dict[Path, None] = {}
    for source in sources:
        if source in kept:
            logger.warning("%s is given twice and read once", source)
        kept[source] = None
    return list(kept)


def _first_of_each_name(images: Iterable[NamedImage], lost: list[str]) -> Iterator[NamedImage]:
    """Yield the images whose name is new: names are ids, and an id has one row.

    A file with the name of one before is that file: it is in the index. A member of an archive may
    be another image of that name: the first is kept, the other is named, and appended to `lost`.
    """
    seen: set[str] = set()
    repeated: list[str] = []
    for image in images:
        if image.name not in seen:
            seen.add(image.name)
            yield image
        elif isinstance(image.image, (str, os.PathLike)):
            repeated.append(image.name)
        else:
            logger.warning("%s is there twice: the first is kept", image.name)
            lost.append(image.name)
    if repeated:
        more = f", as are {len(repeated) - 1} other files" if len(repeated) > 1 else ""
        logger.warning("%s is given twice and read once%s", repeated[0], more)


def _named_rows(
    model: Model, images: Iterator[NamedImage], lost: list[str], progress: Progress
) -> Iterator[tuple[tuple[str, ...], NDArray[np.float32]] | NDArray[np.float32]]:
    """Yield blocks of names and embeddings; append the names of unreadable images to `lost`."""
    found = False
    for block in model.stream_images(images, on_error="skip", progress=progress.bar):
        lost += [one.name for one in block.lost]
        if len(block):
            found = True
            yield block.names, block.rows
    if not found:
        yield np.empty((0, model.width), dtype=np.float32)
