"""Inputs of the command line: images, texts in files, and the model."""

import argparse
import codecs
import io
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Final

from twinlens.commands.parsing.arguments import IMAGE_COLUMN
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.datasets.count_images import count_images
from twinlens.datasets.read_images import read_images
from twinlens.images.named_image import NamedImage
from twinlens.loading import load
from twinlens.model.model import Model
from twinlens.progress import Tally

STDIN: Final = "-"
BYTES_AT_ONCE: Final = 2**20


def open_model(options: argparse.Namespace) -> Model:
    """Load the model of the shared options."""
    return load(
        options.bundle,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        pixels=options.pixels or "exact",
        level=getattr(options, "level", None),
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
    counted: Iterator[NamedImage] = options.progress.counted(found_images(options), "images")
    return counted


def found_images(options: argparse.Namespace) -> Iterator[NamedImage]:
    """Return the images of all inputs in order, for an act that counts them itself.

    Raises:
        FileNotFoundError: a source does not exist, or no source has an image.
    """
    sources: Sequence[Path] = options.inputs
    column = options.image_column or IMAGE_COLUMN
    found = chain.from_iterable([read_images(source, column=column) for source in sources])
    first = next(found, None)
    if first is None:
        raise FileNotFoundError(f"no image below {', '.join(map(str, sources))}")
    return chain([first], found)


def count_in_background(sources: Sequence[Path], tally: Tally) -> None:
    """Let a thread count the images of all sources while the first are embedded, if it can."""

    def count() -> None:
        counts = [count_images(source) for source in sources]
        if None not in counts:
            tally.total = sum(one for one in counts if one is not None)

    threading.Thread(target=count, name="twinlens count", daemon=True).start()


def read_lines(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the lines of UTF-8 files that are not empty, without white space around them.

    "-" is the standard input. Memory holds a megabyte, or the longest line.

    Raises:
        MisuseError: a path is a folder: at once.
        FileNotFoundError: a file does not exist: at once.
        ValueError: a file is not UTF-8, after the lines before that place.
    """
    files = list(paths)
    for path in files:
        if path.is_dir():
            raise MisuseError(f"{path} is a folder; --texts reads files of one text a line")
        if str(path) != STDIN:
            path.open("rb").close()
    return (line for path in files for line in _lines(path) if line)


def _lines(path: Path) -> Iterator[str]:
    decode = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), True)
    with nullcontext(sys.stdin.buffer) if str(path) == STDIN else path.open("rb") as file:
        n_bytes, pieces = 0, list[str]()
        while True:
            content = file.read(BYTES_AT_ONCE)
            try:
                text = decode.decode(content, final=not content)
            except UnicodeDecodeError as error:
                # The decoder holds back the first bytes of a letter that was cut.
                place = n_bytes + error.start - (len(error.object) - len(content))
                raise ValueError(
                    f"{path} is not UTF-8 text: {error.reason} at byte {place}; convert it first"
                ) from error
            n_bytes += len(content)
            *whole, rest = text.split("\n")
            for line in whole:
                yield "".join([*pieces, line]).strip()
                pieces.clear()
            pieces.append(rest)
            if not content:
                break
        yield "".join(pieces).strip()
