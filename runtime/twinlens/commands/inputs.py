"""What the command line is given: pictures in folders, texts in files, a bundle and a device."""

import argparse
import io
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.images import SUFFIXES
from twinlens.loading import load
from twinlens.model import Model


def open_model(options: argparse.Namespace) -> Model:
    """The model that the shared options name."""
    return load(
        options.bundle, device=options.device, precision=options.precision, threads=options.threads
    )


def find_pictures(places: Iterable[Path]) -> list[Path]:
    """Files as they are named; folders as the pictures below them, sorted.

    Raises:
        FileNotFoundError: a place does not exist, or there is no picture at all.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            below = (path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
            found += sorted(path for path in below if path.is_file())
        elif place.exists():
            found.append(place)
        else:
            raise FileNotFoundError(f"{place} does not exist")
    if not found:
        raise FileNotFoundError(f"no picture below {', '.join(map(str, places))}")
    return found


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
    model: Model, places: Sequence[Path]
) -> tuple[NDArray[np.float32], list[str], list[str]]:
    """Embeddings and paths of the pictures that could be read, and the paths of the others."""
    paths = find_pictures(places)
    rows = model.embed_images(paths, on_error="nan", progress=sys.stderr.isatty())
    good = ~np.isnan(rows[:, 0])
    names = [str(path) for path in paths]
    kept = [name for name, fine in zip(names, good, strict=True) if fine]
    lost = [name for name, fine in zip(names, good, strict=True) if not fine]
    return rows[good], kept, lost
