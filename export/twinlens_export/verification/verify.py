"""The verification of every exported tower against the reference model, on samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.manifest import Agreement
from twinlens.bundle.specs import Modality, Precision, TextSpec
from twinlens.errors import quoted
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.errors import AgreementError
from twinlens_export.presence import there
from twinlens_export.verification import reference_model
from twinlens_export.verification.samples import Samples

T = TypeVar("T", bound=np.generic)

BATCH_SIZES: Final = (1, 3, 17)
"""Sizes in turn: one, a few, and a size that is no multiple of any kernel's tile."""
FEW: Final = sum(BATCH_SIZES)
"""Samples that a second graph of a tower is compared on: a batch of each size."""
MOST_PIXELS: Final = 17 * 256 * 256
"""Pixels of a batch: 17 images of 384 px would take 2 GB of activations in SigLIP so400m."""
K: Final = 10
TIE: Final = 1e-5
"""Hits whose cosines differ by less are equally good: float32 itself does not order them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """The least agreement of a tower worth writing."""

    worst_cosine: float
    top1: float = 0.0


TOLERANCES: Final[Mapping[Precision, Tolerance]] = {
    "fp32": Tolerance(worst_cosine=0.99999),
    "fp16": Tolerance(worst_cosine=0.9995),
    "bf16": Tolerance(worst_cosine=0.9999),
    "int8": Tolerance(worst_cosine=0.995, top1=0.98),
}


class EmbedRows(Protocol):
    """The embedding of one exported tower."""

    def __call__(self, batch: NDArray[np.uint8] | NDArray[np.int64], /) -> F32:
        """Return unit rows [B, D] of one batch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Embeddings of the compared samples by the reference model: unit rows [N, D].

    Of a checkpoint of one tower, those of the other kind are [0, D].
    """

    images: F32
    texts: F32
    full_texts: F32


def reference_of(
    checkpoint: Checkpoint, samples: Samples, *, embedded: reference_model.Embedded
) -> Reference:
    """Run the reference model on the compared samples, texts padded to the whole context.

    Args:
        checkpoint: with its model.
        samples: images and texts.
        embedded: is told of each batch of pixels or ids.

    Raises:
        AgreementError: the model fails, gives NaN or infinity, or one row for all samples.
    """
    try:
        reference = _reference_of(checkpoint, samples, embedded)
    except Exception as error:  # torch has no type of its own
        raise AgreementError(
            f"the checkpoint's own model fails on the samples ({quoted(str(error))}); "
            "its configuration and its weights do not fit: give a whole checkpoint"
        ) from error
    for kind, rows in (("images", reference.images), ("texts", reference.texts)):
        if not np.isfinite(rows).all():
            raise AgreementError(
                f"the checkpoint's own model gives NaN or infinity for {kind}, so nothing can be "
                "compared with it; give a checkpoint saved before its training diverged"
            )
        if (alike := least_alike(rows)) > TOLERANCES["fp32"].worst_cosine:
            raise AgreementError(
                f"the checkpoint's own model gives one row for all {len(rows)} {kind} (the two "
                f"least alike have a cosine of {alike:.6f}), so whatever a tower does agrees with "
                "it; give a trained checkpoint, or samples that differ (--images, --texts)"
            )
    return reference


def least_alike(rows: F32) -> float:
    """Return the smallest cosine of two of the unit rows [N, D]; of fewer than two, -1."""
    return float((rows @ rows.T).min()) if len(rows) > 1 else -1.0


def _reference_of(
    checkpoint: Checkpoint, samples: Samples, embedded: reference_model.Embedded
) -> Reference:
    images = rows = np.empty((0, checkpoint.width), dtype=np.float32)
    if checkpoint.image is not None:
        images = reference_model.image_rows(checkpoint, samples.compared.images, embedded=embedded)
    if checkpoint.text is not None:
        spec = there(checkpoint.text_spec)
        ids = padded((*samples.compared.texts, *samples.full_texts), spec.context, spec.pad_id)
        rows = reference_model.text_rows(checkpoint, ids, embedded=embedded)
    n_compared = len(samples.compared.texts)
    return Reference(images=images, texts=rows[:n_compared], full_texts=rows[n_compared:])


def image_agreement(embed: EmbedRows, samples: Samples, reference: Reference) -> Agreement:
    """Cosine and top-k agreement with the reference model.

    Top-k is of retrieval among the reference model's caption embeddings; without a text tower,
    among those of one half of the images, by the other half.
    """
    rows = image_rows(embed, samples.compared.images)
    cosines = cosines_of(rows, reference.images)
    gallery = reference.texts[: samples.n_captions]
    if not len(gallery):
        return _own_agreement(rows, reference.images, n=samples.n_images, cosines=cosines)
    return _agreement(rows, reference.images, gallery=gallery, cosines=cosines)


def worst_of_few_images(embed: EmbedRows, samples: Samples, reference: Reference) -> float:
    """Return the smallest cosine with the reference model, of `FEW` images or all.

    Enough for a second graph of one tower: its weights are those of the first, which was compared
    on all samples, and another fault is one of each image, or of the size of a batch.
    """
    few = _few(len(samples.compared.images))
    rows = image_rows(embed, samples.compared.images[few])
    return float(cosines_of(rows, reference.images[few]).min())


def image_rows(embed: EmbedRows, images: NDArray[np.uint8]) -> F32:
    """Embed images [B, S, S, 3] in batches of every size: unit rows [B, D]."""
    most = max(1, MOST_PIXELS // (images.shape[1] * images.shape[2]))
    return np.concatenate([embed(batch) for batch in _batches(images, most)])


def text_agreement(
    embed: EmbedRows, samples: Samples, reference: Reference, checkpoint: Checkpoint
) -> Agreement:
    """Cosine and top-k agreement with the reference model.

    Top-k is of retrieval among the reference model's image embeddings; without an image tower,
    among those of one half of the captions, by the other half. Every text is embedded twice:
    trimmed to the longest of its batch, and padded to the context.
    """
    texts = (*samples.compared.texts, *samples.full_texts)
    wanted = np.concatenate([reference.texts, reference.full_texts])
    trimmed_rows, padded_rows = _text_rows(embed, texts, there(checkpoint.text_spec))
    cosines = np.concatenate([cosines_of(trimmed_rows, wanted), cosines_of(padded_rows, wanted)])
    rows = trimmed_rows[: len(reference.texts)]
    gallery = reference.images[: samples.n_images]
    if not len(gallery):
        return _own_agreement(rows, reference.texts, n=samples.n_captions, cosines=cosines)
    return _agreement(rows, reference.texts, gallery=gallery, cosines=cosines)


def worst_of_few_texts(
    embed: EmbedRows, samples: Samples, reference: Reference, checkpoint: Checkpoint
) -> float:
    """Return the smallest cosine with the reference model, as `worst_of_few_images`.

    Of `FEW` texts or all, and of those that fill the context; trimmed and padded.
    """
    few = _few(len(samples.compared.texts))
    texts = (*(samples.compared.texts[place] for place in few), *samples.full_texts)
    wanted = np.concatenate([reference.texts[few], reference.full_texts])
    rows = np.concatenate(_text_rows(embed, texts, there(checkpoint.text_spec)))
    return float(cosines_of(rows, np.concatenate([wanted, wanted])).min())


def _text_rows(embed: EmbedRows, texts: Sequence[Sequence[int]], spec: TextSpec) -> tuple[F32, F32]:
    """Embed texts trimmed to the longest of their batch, and padded to the context."""
    whole = padded(texts, spec.context, spec.pad_id)
    return text_rows(embed, texts, spec), np.concatenate([embed(b) for b in _batches(whole)])


def text_rows(embed: EmbedRows, texts: Sequence[Sequence[int]], spec: TextSpec) -> F32:
    """Embed texts in batches of every size, trimmed to the longest of each: unit rows [B, D]."""
    whole = padded(texts, spec.context, spec.pad_id)
    lengths = np.array([len(text) for text in texts])
    return np.concatenate([
        embed(batch[:, : longest.max()] if spec.trim else batch)
        for batch, longest in zip(_batches(whole), _batches(lengths), strict=True)
    ])  # fmt: skip


def _few(count: int) -> NDArray[np.intp]:
    """Return the places of `FEW` of that many samples, from the first to the last; or all."""
    return np.unique(np.linspace(0, count - 1, FEW).round().astype(np.intp))


def holds(agreement: Agreement, precision: Precision) -> bool:
    """Return True if the agreement is within the tolerance of a precision."""
    return not _below(agreement, TOLERANCES[precision])


def require(
    agreement: Agreement, precision: Precision, modality: Modality, *, kept: Sequence[str] = ()
) -> None:
    """Refuse a tower below the tolerance of its precision.

    Args:
        agreement: with the reference model.
        precision: of the tower.
        modality: of the tower.
        kept: blocks already in float32.

    Raises:
        AgreementError: a figure is below its tolerance; the message has both and the cure.
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
    """Return the figures below their tolerance: name, figure, tolerance."""
    figures = (
        ("worst cosine with the reference model", agreement.worst_cosine, tolerance.worst_cosine),
        ("top-1 agreement with the reference model", agreement.top1, tolerance.top1),
    )
    return [row for row in figures if not row[1] >= row[2]]  # so that NaN is too low


def padded(texts: Sequence[Sequence[int]], length: int, pad_id: int) -> NDArray[np.int64]:
    """Pad the ids of texts to one length: [B, T]."""
    ids = np.full((len(texts), length), pad_id, dtype=np.int64)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    return ids


def _batches(inputs: NDArray[T], most: int = max(BATCH_SIZES)) -> Iterator[NDArray[T]]:
    start = 0
    for size in (min(size, most) for size in cycle(BATCH_SIZES)):
        if start >= len(inputs):
            return
        yield inputs[start : start + size]
        start += size


def cosines_of(rows: F32, wanted: F32) -> F32:
    """Return the cosine of each row with the wanted one; neither need be of unit length."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines: F32 = np.einsum("nd,nd->n", rows, wanted) / lengths
    return cosines


def _own_agreement(rows: F32, wanted: F32, *, n: int, cosines: F32) -> Agreement:
    """Compare the rankings of the first half of the n distinct samples by all the other rows."""
    half = n // 2
    return _agreement(rows[half:], wanted[half:], gallery=wanted[:half], cosines=cosines)


def _agreement(rows: F32, wanted: F32, *, gallery: F32, cosines: F32) -> Agreement:
    """Compare the rankings of a gallery [N, D] by `rows` [Q, D] and by `wanted` [Q, D]."""
    scores = wanted @ gallery.T
    k = min(K, len(gallery))
    got, best = _ranked(rows @ gallery.T), _ranked(scores)
    chosen = np.take_along_axis(scores, got[:, :1], axis=1)
    shared = [len(np.intersect1d(a, b)) for a, b in zip(got[:, :k], best[:, :k], strict=True)]
    return Agreement(
        worst_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        top1=float(np.mean(chosen[:, 0] >= scores.max(axis=1) - TIE)),
        top10=float(np.mean(shared)) / k,
        samples=len(rows),
    )


def _ranked(scores: F32) -> NDArray[np.intp]:
    """Return the columns of [Q, N], best first; of equals, the lower one."""
    return np.argsort(-scores, axis=1, kind="stable")
