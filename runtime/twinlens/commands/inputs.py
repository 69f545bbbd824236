"""Inputs of the command line: images, texts in files, the model and the output file."""

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
    """Load the model of the shared options."""
    return load(
        options.bundle,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        pixels=options.pixels,
    )


def find_images(sources: Sequence[Path], *, column: str) -> Iterator[NamedImage]:
    """Return the images of all sources in order; they are read during iteration.

    Raises:
        FileNotFoundError: a source does not exist, or no source has an image.
    """
    found = chain.from_iterable([read_images(source, column=column) for source in sources])
    first = next(found, None)
    if first is None:
        raise FileNotFoundError(f"no image below {', '.join(map(str, sources))}")
    return chain([first], found)


def read_text(path: Path) -> str:
    """Read a file of UTF-8 text, with its line ends unchanged; "-" is the standard input.

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
    """Read one text a line; empty lines are skipped."""
    lines = io.StringIO(read_text(path), newline=None)
    return [line.strip() for line in lines if line.strip()]


def check_out(out: Path) -> None:
    """Refuse an output file that cannot be written, before the long work.

    Raises:
        OSError: it is a folder or a device, or its folder is missing or read-only.
    """
    if out.exists() and not out.is_file():
        raise FileExistsError(f"--out {out} is a folder or a device; name a file")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise PermissionError(f"--out {out} cannot be written; name a file in a folder that can")


def embed_readable_images(
    model: Model, sources: Sequence[Path], *, column: str = "image"
) -> tuple[NDArray[np.float32], list[str], list[str]]:
    """Return embeddings [B, D] and names [B] of the readable images, and names of the others."""
    images = find_images(sources, column=column)
    kept: list[EmbeddedBlock] = [
        *model.stream_images(images, on_error="skip", progress=sys.stderr.isatty())
    ]
    return (
        np.concatenate([block.rows for block in kept]),
        [name for block in kept for name in block.names],
        [lost.name for block in kept for lost in block.lost],
    )
