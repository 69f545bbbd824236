"""The samples: real pictures and texts on which the towers are compared with the original."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.drawings import bundled_drawings
from twinlens.errors import ImageError, TextError
from twinlens.images import load_batch
from twinlens.texts import Tokenizer
from twinlens_export.checkpoint import Checkpoint
from twinlens_export.errors import ExportError

FEWEST: Final = 2
"""Of each kind: with one there is nothing to rank."""
FULL_TEXTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFiles:
    """Where samples come from; None: the drawings and captions inside the package."""

    images: Path | None = None
    """A folder of pictures."""
    texts: Path | None = None
    """A file of one text a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Pictures and texts, ready for the towers."""

    images: NDArray[np.uint8]
    """[B, S, S, 3]"""
    texts: tuple[tuple[int, ...], ...]
    """Ids of each text as it was written, unpadded."""
    full_texts: tuple[tuple[int, ...], ...]
    """Ids of texts that fill the context; they are compared, but rank nothing."""


def read_samples(files: SampleFiles, checkpoint: Checkpoint, tokenizer: Tokenizer) -> Samples:
    """Read samples and prepare them for a checkpoint.

    Raises:
        ExportError: something cannot be read, or there are too few.
    """
    try:
        drawings = bundled_drawings()
        paths = _pictures(files.images) if files.images else [d.path for d in drawings]
        lines = _lines(files.texts) if files.texts else [d.caption for d in drawings]
        _require_enough(len(paths), "pictures")
        _require_enough(len(lines), "texts")
        return Samples(
            images=load_batch(paths, checkpoint.image_spec),
            texts=_encoded(tokenizer, lines),
            full_texts=_encoded(tokenizer, _filling(lines, checkpoint.text_spec.context)),
        )
    except (ImageError, TextError, OSError) as error:
        raise ExportError(
            f"the samples cannot be read ({error}); give others by --images and --texts"
        ) from error


def _require_enough(count: int, kind: str) -> None:
    if count < FEWEST:
        raise ExportError(
            f"{count} {kind} are too few to verify a tower with; give {FEWEST} or more"
        )


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _filling(lines: Sequence[str], context: int) -> list[str]:
    """Texts that fill the context, each beginning at another line."""
    repeats = 1 + context // len(lines)  # a line has one token at least
    step = max(1, len(lines) // FULL_TEXTS)
    starts = range(0, len(lines), step)[:FULL_TEXTS]
    return [" ".join([*lines[start:], *lines[:start]] * repeats) for start in starts]


def _encoded(tokenizer: Tokenizer, lines: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(ids) for ids in tokenizer.encode_ragged(lines))
