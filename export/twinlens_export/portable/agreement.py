"""The agreement of a portable tower with the bundle's own, on what other tools give it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from PIL import Image
from transformers import AutoImageProcessor

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import Precision
from twinlens.demo.samples import bundled_drawings
from twinlens.images.load import load_batch
from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.texts.tokenizer import Tokenizer
from twinlens.threads import usable_threads
from twinlens_export.architecture import F32, PixelNormalization
from twinlens_export.checkpoints.hub_files import PREPROCESSOR
from twinlens_export.errors import AgreementError
from twinlens_export.graph.graph import Array
from twinlens_export.presence import there
from twinlens_export.quantization.activation_stats import FRUGAL
from twinlens_export.verification.verify import TOLERANCES, cosines_of, padded

T = TypeVar("T")
Pair: TypeAlias = tuple[Array, Array]
"""A batch as the bundle's tower takes it, and the same as a portable one does."""

SAMPLES: Final = 24
BATCH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTower:
    """An ONNX file on the CPU, with the names of its input and output."""

    file: Path
    input: str
    output: str

    def rows(self, batches: Iterable[Array]) -> F32:
        """Return the rows [N, D] of batches."""
        session = Session(
            self.file, device=CPU, threads=usable_threads(), name=self.file.name, memory=FRUGAL
        )
        rows = [session.run({self.input: batch}, self.output) for batch in batches]
        session.close()
        return np.concatenate(rows)


def worst_cosine(own: OpenTower, portable: OpenTower, batches: Sequence[Pair]) -> float:
    """Return the smallest cosine of rows of a portable tower with those of a bundle's own."""
    wanted = own.rows(ours for ours, _ in batches)
    return float(cosines_of(portable.rows(theirs for _, theirs in batches), wanted).min())


def require(cosine: float, precision: Precision, file: Path) -> None:
    """Refuse a portable tower that is far from the bundle's own.

    Raises:
        AgreementError: it is farther than an export in this precision may be from the original.
    """
    least = TOLERANCES[precision].worst_cosine
    if not cosine >= least:
        raise AgreementError(
            f"the portable {file.name} has a worst cosine of {cosine:.6f} with the bundle's tower, "
            f"wanted at least {least}; please report it with the name of the checkpoint"
        )


def pixel_batches(bundle: Bundle, normalization: PixelNormalization) -> list[Pair]:
    """Return drawings as the bundle's tower takes them, and as an image processor makes them.

    That is transformers' own, by the bundle's preprocessor_config.json, where it has one. It is
    given squares of the tower's size, which none resizes.
    """
    paths = [drawing.path for drawing in bundled_drawings()[:SAMPLES]]
    batches = [load_batch(some, there(bundle.manifest.image)) for some in batched(paths)]
    if PREPROCESSOR in bundle.manifest.files:
        processor = AutoImageProcessor.from_pretrained(bundle.folder, local_files_only=True)
        return [(pixels, _by_processor(processor, pixels)) for pixels in batches]
    mean, std = (np.asarray(part, np.float32) for part in (normalization.mean, normalization.std))

    def processed(pixels: Array) -> Array:
        floats = (pixels.astype(np.float32) * np.float32(normalization.factor) - mean) / std
        return np.ascontiguousarray(floats.transpose(0, 3, 1, 2))

    return [(pixels, processed(pixels)) for pixels in batches]


def _by_processor(processor: Any, pixels: Array) -> Array:  # noqa: ANN401  untyped
    """Return the floats [B, 3, S, S] that an image processor makes of pixels [B, S, S, 3]."""
    images = [Image.fromarray(each) for each in pixels]
    floats = processor(images, return_tensors="pt")["pixel_values"]
    return np.ascontiguousarray(floats, dtype=np.float32)


def id_batches(bundle: Bundle) -> list[Pair]:
    """Return captions as the bundle's tower takes them, and as another tool gives them.

    Such a tool pads a batch to its longest text, and cuts an end token off.
    """
    spec = there(bundle.manifest.text)
    tokenizer = Tokenizer(bundle.path(spec.tokenizer), spec)
    texts = [drawing.caption for drawing in bundled_drawings()[:SAMPLES]]
    pairs = []
    for rows in batched(tokenizer.encode_ragged([" ".join(texts * spec.context), *texts])):
        longest = max(map(len, rows))
        theirs = padded(rows, longest, spec.pad_id)
        if spec.end_id is not None and longest == spec.context:
            theirs[0, -1] = theirs[0, -2]
        pairs.append((padded(rows, spec.context, spec.pad_id), theirs))
    return pairs


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield items in batches of BATCH."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
