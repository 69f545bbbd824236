"""The samples: real images and texts for the verification and the calibration of towers."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens.datasets.image_folder import files_in_folder, is_image_file
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import ImageError, TextError, quoted
from twinlens.images.load import load_batch
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.errors import ExportError
from twinlens_export.verification.augmentations import views, wordings

T = TypeVar("T")
Texts = tuple[tuple[int, ...], ...]

FEWEST: Final = 4
"""Of each kind: with fewer there is nothing to rank, or nothing left to calibrate on."""
FULL_TEXTS: Final = 4
MOST_CALIBRATED: Final = 48
MOST_GIVEN: Final = 300
"""Of each kind that a user gives: a folder of a million pictures would take days."""
MOST_OPENED: Final = 64
"""Images whose pixels are compared with those of the checkpoint's own processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFiles:
    """Files of samples; None: the drawings and captions inside the package."""

    images: Path | None = None
    """A folder of images, and of folders with images; other files in it are left out."""
    texts: Path | None = None
    """A file of one text a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs of the towers."""

    images: NDArray[np.uint8]
    """[N, S, S, 3]"""
    texts: Texts
    """Ids of each text, unpadded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples to compare towers on, and disjoint ones to calibrate on.

    Of a checkpoint of one tower there are none of the other kind.
    """

    compared: Inputs
    """Distinct images and captions first, then their further views and wordings."""
    n_images: int
    """Number of distinct images, the first of `compared.images`: the gallery of text queries."""
    n_captions: int
    """Number of distinct captions, the first of `compared.texts`: the gallery of image queries."""
    full_texts: Texts
    """Ids of texts as long as the context; they are compared, but not part of any ranking."""
    calibration: Inputs


def read_samples(
    files: SampleFiles, checkpoint: Checkpoint, tokenizer: Tokenizer | None
) -> Samples:
    """Read samples and prepare them for a checkpoint.

    Every third is for calibration, the others are compared. Samples inside the package get further
    views and wordings; those of a user are not augmented.

    Raises:
        ExportError: something cannot be read, or there are too few, or no tower takes them.
    """
    _require_used(files, checkpoint)
    try:
        images = _read_images(files, checkpoint.image_spec)
        texts = _read_texts(files, checkpoint.text_spec, tokenizer)
        return Samples(
            compared=Inputs(images=images.compared, texts=texts.compared),
            n_images=images.n_distinct,
            n_captions=texts.n_distinct,
            full_texts=texts.full,
            calibration=Inputs(images=images.apart, texts=texts.apart),
        )
    except (ImageError, TextError, OSError) as error:
        raise ExportError(
            f"the samples cannot be read ({error}); give others by --images and --texts"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Images:
    compared: NDArray[np.uint8]
    apart: NDArray[np.uint8]
    n_distinct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextIds:
    compared: Texts = ()
    apart: Texts = ()
    full: Texts = ()
    n_distinct: int = 0


def _require_used(files: SampleFiles, checkpoint: Checkpoint) -> None:
    """Refuse samples of a kind for which the checkpoint has no tower.

    Raises:
        ExportError: there are such samples.
    """
    for kind, given, spec in (
        ("images", files.images, checkpoint.image_spec),
        ("texts", files.texts, checkpoint.text_spec),
    ):
        if given is not None and spec is None:
            raise ExportError(
                f"{quoted(checkpoint.name)} has no tower for {kind}, so nothing is compared on "
                f"those of {quoted(str(given))}; leave --{kind} out"
            )


def _read_images(files: SampleFiles, spec: ImageSpec | None) -> _Images:
    """Return the pixels of the samples; none if there is no image tower."""
    if spec is None:
        none = np.empty((0, 1, 1, 3), dtype=np.uint8)
        return _Images(compared=none, apart=none, n_distinct=0)
    paths, paths_apart = _apart(_images(files.images), "images")
    images, images_apart = load_batch(paths, spec), load_batch(paths_apart, spec)
    if files.images is None:
        images, images_apart = views(images), views(images_apart)[::2]
    return _Images(compared=images, apart=images_apart, n_distinct=len(paths))


def _read_texts(files: SampleFiles, spec: TextSpec | None, tokenizer: Tokenizer | None) -> _TextIds:
    """Return the ids of the samples; none if there is no text tower."""
    if spec is None or tokenizer is None:
        return _TextIds()
    captions, captions_apart = _apart(_lines(files.texts), "texts")
    texts, texts_apart = captions, captions_apart
    if files.texts is None:
        texts, texts_apart = wordings(captions), wordings(captions_apart)
    return _TextIds(
        compared=_encoded(tokenizer, texts),
        apart=_encoded(tokenizer, texts_apart),
        full=_encoded(tokenizer, _filling(captions, spec)),
        n_distinct=len(captions),
    )


def sample_texts(files: SampleFiles) -> list[str]:
    """Return all texts of the samples, with their further wordings if they are the package's."""
    lines = _lines(files.texts)
    return wordings(lines) if files.texts is None else lines


def sample_images(files: SampleFiles) -> Iterator[Image.Image]:
    """Yield the images of the samples that Pillow opens, as they are stored."""
    for path in _images(files.images)[:MOST_OPENED]:
        with contextlib.suppress(OSError), Image.open(path) as image:
            image.load()
            yield image


def _images(folder: Path | None) -> list[Path]:
    if folder is None:
        return [drawing.path for drawing in bundled_drawings()]
    found = files_in_folder(folder, wanted=is_image_file)
    return _spread([path for path in found if isinstance(path, Path)])


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return [drawing.caption for drawing in bundled_drawings()]
    lines = file.read_text(encoding="utf-8").splitlines()
    return _spread([line for line in lines if line.strip()])


def _spread(items: list[T]) -> list[T]:
    """Return at most MOST_GIVEN items, evenly from the first to the last."""
    if len(items) <= MOST_GIVEN:
        return items
    return [items[place * len(items) // MOST_GIVEN] for place in range(MOST_GIVEN)]


def _apart(items: Sequence[T], kind: str) -> tuple[list[T], list[T]]:
    """Split items into those to compare, and those to calibrate on."""
    if len(items) < FEWEST:
        raise ExportError(
            f"a tower is verified with {FEWEST} or more {kind}, got {len(items)}; give more"
        )
    apart = range(1, len(items), 3)[:MOST_CALIBRATED]
    compared = [item for number, item in enumerate(items) if number not in apart]
    return compared, [items[number] for number in apart]


def _filling(lines: Sequence[str], spec: TextSpec) -> list[str]:
    """Return texts at least as long as the context, each beginning at another line."""
    repeats = 1 + spec.context // len(lines)  # a line has one token at least
    step = max(1, len(lines) // FULL_TEXTS)
    starts = range(0, len(lines), step)[:FULL_TEXTS]
    return [" ".join([*lines[start:], *lines[:start]] * repeats) for start in starts]


def _encoded(tokenizer: Tokenizer, lines: Sequence[str]) -> Texts:
    return tuple(tuple(ids) for ids in tokenizer.encode_ragged(lines))
