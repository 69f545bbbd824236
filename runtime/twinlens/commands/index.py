"""twinlens index: an index of images on disk."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from twinlens.commands.inputs import find_images, open_model
from twinlens.commands.output import Outcome
from twinlens.images.named_image import NamedImage
from twinlens.index.index import Index
from twinlens.index.storage.folder import require_target
from twinlens.model.model import Model


def run(options: argparse.Namespace) -> Outcome:
    """Embed the images into an index; their names are its ids."""
    require_target(options.out)
    model = open_model(options)
    images = _drop_repeated_files(find_images(options.inputs, column=options.image_column))
    lost: list[str] = []
    index = Index.write(options.out, _named_rows(model, images, lost), about=model.about)
    return Outcome(
        lines=[f"{len(index)} images in {options.out}"],
        document={"out": str(options.out), "rows": len(index), "lost": lost},
        code=1 if lost else 0,
    )


def _drop_repeated_files(images: Iterable[NamedImage]) -> Iterator[NamedImage]:
    """Drop a file given twice, by its own name and by its folder."""
    seen: set[str] = set()
    for image in images:
        if isinstance(image.image, (str, os.PathLike)):
            if image.name in seen:
                continue
            seen.add(image.name)
        yield image


def _named_rows(
    model: Model, images: Iterator[NamedImage], lost: list[str]
) -> Iterator[tuple[tuple[str, ...], NDArray[np.float32]] | NDArray[np.float32]]:
    """Yield blocks of names and embeddings; append the names of unreadable images to `lost`."""
    found = False
    for block in model.stream_images(images, on_error="skip", progress=sys.stderr.isatty()):
        lost += [one.name for one in block.lost]
        if len(block):
            found = True
            yield block.names, block.rows
    if not found:
        yield np.empty((0, model.width), dtype=np.float32)
