"""The verification: every exported tower against the original, on real pictures and texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.manifest import Agreement
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.errors import AgreementError
from twinlens_export.verification import reference_model
from twinlens_export.verification.samples import Samples

T = TypeVar("T", bound=np.generic)

BATCH_SIZES: Final = (1, 3, 17)
"""Taken in turn: one, a few, and more than any tile of a kernel divides."""
MOST_ANSWERS: Final = 10
TIE: Final = 1e-5
"""Answers whose cosines differ by less are equally good: float32 itself does not order them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """The least agreement with which a tower is written."""

    worst_cosine: float
    top1: float = 0.0


TOLERANCES: Final[Mapping[Precision, Tolerance]] = {
    "fp32": Tolerance(worst_cosine=0.99999),
    "fp16": Tolerance(worst_cosine=0.9995),
    "int8": Tolerance(worst_cosine=0.995, top1=0.98),
}


class Program(Protocol):
    """An exported tower that can be run."""

    def __call__(self, batch: NDArray[np.uint8] | NDArray[np.int64], /) -> F32:
        """Unit rows [B, D] of one batch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the original makes of what is compared: unit rows [N, D]."""

    images: F32
    texts: F32
    full_texts: F32


def truth_of(checkpoint: Checkpoint, samples: Samples) -> Truth:
    """Run the original on what is compared, texts padded to the whole context."""
    spec = checkpoint.text_spec

    def embed(texts: Sequence[Sequence[int]]) -> F32:
        return reference_model.text_rows(checkpoint, padded(texts, spec.context, spec.pad_id))

    return Truth(
        images=reference_model.image_rows(checkpoint, samples.compared.images),
        texts=embed(samples.compared.texts),
        full_texts=embed(samples.full_texts),
    )


def image_agreement(program: Program, samples: Samples, truth: Truth) -> Agreement:
    """How closely an image tower follows the original; its rows search the original's captions."""
    rows = np.concatenate([program(batch) for batch in _batches(samples.compared.images)])
    answers = truth.texts[: samples.captions]
    return _agreement(rows, truth.images, answers=answers, cosines=cosines_of(rows, truth.images))


def text_agreement(
    program: Program, samples: Samples, truth: Truth, checkpoint: Checkpoint
) -> Agreement:
    """How closely a text tower follows the original; its rows search the original's pictures.

    Every text is embedded cut to the longest of its batch and padded to the whole context.
    """
    spec = checkpoint.text_spec
    texts = (*samples.compared.texts, *samples.full_texts)
    wanted = np.concatenate([truth.texts, truth.full_texts])
    whole = padded(texts, spec.context, spec.pad_id)
    lengths = np.array([len(text) for text in texts])
    rows = np.concatenate(
        [
            program(batch[:, : longest.max()] if spec.trim else batch)
            for batch, longest in zip(_batches(whole), _batches(lengths), strict=True)
        ]
    )
    full = np.concatenate([program(batch) for batch in _batches(whole)])
    cosines = np.concatenate([cosines_of(rows, wanted), cosines_of(full, wanted)])
    answers = truth.images[: samples.pictures]
    return _agreement(rows[: len(truth.texts)], truth.texts, answers=answers, cosines=cosines)


def holds(agreement: Agreement, precision: Precision) -> bool:
    """Whether a tower follows the original as closely as its precision must."""
    return not _below(agreement, TOLERANCES[precision])


def require(
    agreement: Agreement, precision: Precision, modality: Modality, *, kept: Sequence[str] = ()
) -> None:
    """Refuse a tower below the tolerance of its precision.

    Args:
        agreement: with the original.
        precision: of the tower.
        modality: which tower it is.
        kept: blocks that are in float32 already.

    Raises:
        AgreementError: names the figure, its tolerance and the cure.
    """
    for figure, got, least in _below(agreement, TOLERANCES[precision]):
        raise AgreementError(
            f"the {modality} tower in {precision} is not written: its {figure} is {got:.6f}, "
            f"wanted at least {least}{_even_with(kept)}; leave {precision} out of --precision, "
            "or verify on samples of your own (--images, --texts)"
        )


def _even_with(kept: Sequence[str]) -> str:
    return f" (with {', '.join(kept)} in float32)" if kept else ""


def _below(agreement: Agreement, tolerance: Tolerance) -> list[tuple[str, float, float]]:
    """The figures that are too low: name, figure, tolerance."""
    figures = (
        ("worst cosine with the original", agreement.worst_cosine, tolerance.worst_cosine),
        ("top-1 agreement with the original", agreement.top1, tolerance.top1),
    )
    return [row for row in figures if not row[1] >= row[2]]  # so that NaN is too low


def padded(texts: Sequence[Sequence[int]], length: int, pad_id: int) -> NDArray[np.int64]:
    """Ids [B, T] of texts, all of one length."""
    ids = np.full((len(texts), length), pad_id, dtype=np.int64)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    return ids


def _batches(inputs: NDArray[T]) -> Iterator[NDArray[T]]:
    start = 0
    for size in cycle(BATCH_SIZES):
        if start >= len(inputs):
            return
        yield inputs[start : start + size]
        start += size


def cosines_of(rows: F32, wanted: F32) -> F32:
    """Cosine of each row with the original's, lengths taken into account."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines: F32 = np.einsum("nd,nd->n", rows, wanted) / lengths
    return cosines


def _agreement(rows: F32, wanted: F32, *, answers: F32, cosines: F32) -> Agreement:
    """Figures of queries [Q, D] that should rank `answers` as `wanted` [Q, D] does."""
    truth = wanted @ answers.T
    count = min(MOST_ANSWERS, len(answers))
    got, best = _ranked(rows @ answers.T), _ranked(truth)
    chosen = np.take_along_axis(truth, got[:, :1], axis=1)
    shared = [
        len(np.intersect1d(a, b)) for a, b in zip(got[:, :count], best[:, :count], strict=True)
    ]
    return Agreement(
        worst_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        top1=float(np.mean(chosen[:, 0] >= truth.max(axis=1) - TIE)),
        top10=float(np.mean(shared)) / count,
        samples=len(rows),
    )


def _ranked(scores: F32) -> NDArray[np.intp]:
    """Columns of [Q, N], best first; of equals, the lower one."""
    return np.argsort(-scores, axis=1, kind="stable")
