"""What the command line is given: places of pictures, texts in files, a bundle and a device."""

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.read_images import read_images
from twinlens.embedding.image_embedder import EmbeddedBlock
from twinlens.images.named_image import NamedImage
from twinlens.loading import load
from twinlens.model.model import Model


def open_model(options: argparse.Namespace) -> Model:
    """The model that the shared options name."""
    return load(
        options.bundle,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        pixels=options.pixels,
    )


def find_pictures(places: Sequence[Path], *, column: str) -> Iterator[NamedImage]:
    """The pictures of the places, in their order, read as they are asked for.

    Raises:
        FileNotFoundError: a place does not exist, or there is no picture at all.
    """
    found = chain.from_iterable([read_images(place, column=column) for place in places])
    first = next(found, None)
    if first is None:
        raise FileNotFoundError(f"no picture below {', '.join(map(str, places))}")
    return chain([first], found)


def read_text(path: Path) -> str:
    """A whole file of UTF-8, its line ends as they are; "-" is the standard input.

    Raises:
        ValueError: it is not UTF-8.
    """
    content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}; convert it first"
        ) from error


def read_lines(path: Path) -> list[str]:
    """One text a line. Empty lines are left out."""
    lines = io.StringIO(read_text(path), newline=None)
    return [line.strip() for line in lines if line.strip()]


def check_out(out: Path) -> None:
    """Refuse, before the long work, a file that could not be written after it.

    Raises:
        OSError: it is a folder or a device, or its own folder is missing or read-only.
    """
    if out.exists() and not out.is_file():
        raise FileExistsError(f"--out {out} is a folder or a device; name a file")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise PermissionError(f"--out {out} cannot be written; name a file in a folder that can")


def embed_pictures(
    model: Model, places: Sequence[Path], *, column: str = "image"
) -> tuple[NDArray[np.float32], list[str], list[str]]:
    """Embeddings and names of the pictures that could be read, and the names of the others."""
    pictures = find_pictures(places, column=column)
    kept: list[EmbeddedBlock] = [
        *model.stream_images(pictures, on_error="skip", progress=sys.stderr.isatty())
    ]
    return (
        np.concatenate([block.rows for block in kept]),
        [name for block in kept for name in block.names],
        [lost.name for block in kept for lost in block.lost],
    )
