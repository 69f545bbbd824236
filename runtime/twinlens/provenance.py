"""Makers of stored embeddings, compared with the model that uses them."""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from twinlens.bundle.manifest import Source
from twinlens.bundle.specs import Modality, PassOrder, Precision
from twinlens.errors import IndexFileError
from twinlens.images.pixel_options import PixelOptions
from twinlens_kernels.operators import SAME_BITS

logger = logging.getLogger(__name__)

ONLY_IMAGES: Final = frozenset({"pixels", "passes"})
"""Entries that have no part in the embedding of a text."""
CLOSE: Final = frozenset({"operators"})
"""Entries that may differ: rows of one int8 bundle by AMX, by the other native operators and by
onnxruntime's own have a cosine of 0.9998 or more, which moves a hit only where two are that
close."""


def about_of(
    source: Source,
    precision: Precision,
    pixels: PixelOptions,
    *,
    passes: PassOrder | None,
    operators: str | None,
) -> dict[str, str]:
    """Return the maker of a model's embeddings: an index keeps it, `check_about` compares it.

    Args:
        source: checkpoint of the bundle.
        precision: of the towers.
        pixels: preprocessing of the images.
        passes: order of the two passes of a resize; None if there is no image tower.
        operators: instruction set of the native operators, or "onnxruntime"; None where the
            precision has no native ones. With " and onnxruntime" where that takes some sums.
    """
    about = {
        "model": source.name,
        "sha256": source.sha256,
        "precision": precision,
        "pixels": str(pixels),
    }
    if passes is not None:
        about["passes"] = passes
    return about if operators is None else {**about, "operators": operators}


def same_bits(operators: str | None, others: str | None) -> bool:
    """Return True if the rows of an int8 or bf16 bundle by both are the same to the bit."""
    return operators == others or {operators, others} <= SAME_BITS


def check_about(
    stored: Mapping[str, str],
    model: Mapping[str, str],
    *,
    modality: Modality,
    mixed: Collection[str] = (),
) -> None:
    """Refuse to compare embeddings that were made differently.

    An entry that only one of the two has is not compared: an index may say nothing of its making.
    Other "operators" are only logged, as a warning, unless their rows are the same to the bit: the
    rows of one int8 bundle by the others have a cosine of 0.9998 or more.

    Args:
        stored: maker of the stored embeddings, `Index.about`.
        model: maker of the others, `Model.about`.
        modality: kind of the others; texts do not depend on how images become pixels.
        mixed: entries that may differ, such as "precision": the embeddings of int8 and fp16 towers
            of one checkpoint are close, but their cosines are not quite the same.

    Raises:
        IndexFileError: something differs; the message names both.
    """
    irrelevant = {*mixed, *(ONLY_IMAGES if modality == "text" else ())}
    for name in _different(stored, model, irrelevant=irrelevant):
        raise IndexFileError(
            f"the index was made with {_words(stored)}, but this model is {_words(model)}; "
            f"{_cure(name, stored[name])}"
        )


def check_same_maker(own: Mapping[str, str], other: Mapping[str, str]) -> None:
    """Refuse to put embeddings into one index that were made differently, as `check_about` does.

    Args:
        own: maker of the rows of an index, `Index.about`.
        other: maker of the rows that join them.

    Raises:
        IndexFileError: something differs; the message names both.
    """
    for _ in _different(own, other):
        raise IndexFileError(
            f"the index was made with {_words(own)}, but the rows to be merged with "
            f"{_words(other)}; embed both with the same model"
        )


def _different(
    stored: Mapping[str, str], other: Mapping[str, str], *, irrelevant: Collection[str] = ()
) -> Iterator[str]:
    """Yield the entries that both have and that must not differ; log those that may."""
    for name, found in stored.items():
        if name in irrelevant or name not in other or other[name] == found:
            continue
        if name not in CLOSE:
            yield name
            continue
        if same_bits(found, other[name]):
            continue
        logger.warning(
            "the index was made with operators %s, this model has %s: their rows differ a "
            "little, with cosines of 0.9997 and more",
            found,
            other[name],
        )


def _words(about: Mapping[str, str]) -> str:
    shown = {**about, "sha256": f"{about['sha256'][:12]}..."} if "sha256" in about else about
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _cure(name: str, wanted: str) -> str:
    if name in ("precision", "pixels"):
        return f"load the model with {name}={wanted!r}, or make the index again"
    if name == "passes":
        return f"load the model with pixels=PixelOptions(passes={wanted!r}), or make it again"
    return "load the model that made it, or make the index again"
