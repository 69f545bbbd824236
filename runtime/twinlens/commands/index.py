"""twinlens index: pictures to an index that can be searched."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from twinlens.commands.inputs import find_pictures, open_model
from twinlens.commands.output import Outcome
from twinlens.images.named_image import NamedImage
from twinlens.index.index import Index
from twinlens.index.storage.folder import require_target
from twinlens.model.model import Model


def run(options: argparse.Namespace) -> Outcome:
    """Embed the pictures straight into an index; their names are its ids."""
    require_target(options.out)
    model = open_model(options)
    pictures = _each_file_once(find_pictures(options.inputs, column=options.image_column))
    lost: list[str] = []
    index = Index.write(options.out, _named_rows(model, pictures, lost), about=model.about)
    return Outcome(
        lines=[f"{len(index)} pictures in {options.out}"],
        document={"out": str(options.out), "rows": len(index), "lost": lost},
        code=1 if lost else 0,
    )


def _each_file_once(pictures: Iterable[NamedImage]) -> Iterator[NamedImage]:
    """A file that is named, and lies in a folder that is named too, is one picture."""
    seen: set[str] = set()
    for picture in pictures:
        if isinstance(picture.image, (str, os.PathLike)):
            if picture.name in seen:
                continue
            seen.add(picture.name)
        yield picture


def _named_rows(
    model: Model, pictures: Iterator[NamedImage], lost: list[str]
) -> Iterator[tuple[tuple[str, ...], NDArray[np.float32]] | NDArray[np.float32]]:
    """Blocks of names and embeddings; the names of what cannot be read go to `lost`."""
    found = False
    for block in model.stream_images(pictures, on_error="skip", progress=sys.stderr.isatty()):
        lost += [one.name for one in block.lost]
        if len(block):
            found = True
            yield block.names, block.rows
    if not found:
        yield np.empty((0, model.width), dtype=np.float32)
