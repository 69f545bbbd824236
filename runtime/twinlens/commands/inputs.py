"""Inputs of the command line: images, texts in files, and the model."""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.commands.misuse import MisuseError
from twinlens.commands.parsing.arguments import IMAGE_COLUMN
from twinlens.datasets.read_images import read_images
from twinlens.embedding.embedded_blocks import EmbeddedBlock
from twinlens.images.named_image import NamedImage
from twinlens.loading import load
from twinlens.model.model import Model


def open_model(options: argparse.Namespace) -> Model:
    """Load the model of the shared options."""
    return load(
        options.bundle,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        pixels=options.pixels or "exact",
    )


def refuse_unused(options: argparse.Namespace, names: Iterable[str], reason: str) -> None:
    """Refuse options that would have no part in the answer: none is dropped unseen.

    Raises:
        MisuseError: one of them is given.
    """
    for name in names:
        if getattr(options, name) is not None:
            raise MisuseError(f"--{name.replace('_', '-')} {reason}; leave it out")


def find_images(options: argparse.Namespace) -> Iterator[NamedImage]:
    """Return the images of all inputs in order; they are read, and counted, during iteration.

    Raises:
        FileNotFoundError: a source does not exist, or no source has an image.
    """
    sources: Sequence[Path] = options.inputs
    column = options.image_column or IMAGE_COLUMN
    found = chain.from_iterable([read_images(source, column=column) for source in sources])
    first = next(found, None)
    if first is None:
        raise FileNotFoundError(f"no image below {', '.join(map(str, sources))}")
    counted: Iterator[NamedImage] = options.progress.counted(chain([first], found), "images")
    return counted


def read_text(path: Path) -> str:
    """Read a file of UTF-8 text, with its line ends unchanged; "-" is the standard input.

    Raises:
        MisuseError: it is a folder.
        ValueError: it is not UTF-8.
    """
    if path.is_dir():
        raise MisuseError(f"{path} is a folder; --texts reads files of one text a line")
    content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}; convert it first"
        ) from error


def read_lines(path: Path) -> list[str]:
    """Read one text a line; empty lines are skipped."""
    lines = io.StringIO(read_text(path), newline=None)
    return [line.strip() for line in lines if line.strip()]


def embed_readable_images(
    model: Model, options: argparse.Namespace
) -> tuple[NDArray[np.float32], list[str], list[str]]:
    """Return embeddings [B, D] and names [B] of the readable images, and names of the others."""
    images = find_images(options)
    kept: list[EmbeddedBlock] = [
        *model.stream_images(images, on_error="skip", progress=options.progress.bar)
    ]
    return (
        np.concatenate([block.rows for block in kept]),
        [name for block in kept for name in block.names],
        [lost.name for block in kept for lost in block.lost],
    )
