"""About: what made the embeddings that somebody stored, compared with the model that uses them."""

from collections.abc import Collection, Mapping
from typing import Final

from twinlens.bundle.manifest import Source
from twinlens.bundle.specs import Modality, Precision
from twinlens.errors import IndexFileError
from twinlens.images.pixel_options import PixelOptions

ONLY_IMAGES: Final = frozenset({"pixels"})
"""What has no part in the embedding of a text."""


def about_of(source: Source, precision: Precision, pixels: PixelOptions) -> dict[str, str]:
    """What makes the embeddings of a model: an index keeps it, and `check_about` compares it."""
    return {
        "model": source.name,
        "sha256": source.sha256,
        "precision": precision,
        "pixels": str(pixels),
    }


def check_about(
    stored: Mapping[str, str],
    model: Mapping[str, str],
    *,
    modality: Modality,
    mixed: Collection[str] = (),
) -> None:
    """Refuse to compare embeddings that were made differently.

    What only one of the two tells is not compared: an index may say nothing of its making.

    Args:
        stored: what made the stored embeddings, `Index.about`.
        model: what makes the others, `Model.about`.
        modality: what is embedded now; texts do not care how images become pixels.
        mixed: what may differ, such as "precision": the embeddings of int8 and fp16 towers of one
            checkpoint are close, but their cosines are not quite the same.

    Raises:
        IndexFileError: something differs; the message names both.
    """
    irrelevant = {*mixed, *(ONLY_IMAGES if modality == "text" else ())}
    for name, found in stored.items():
        if name in irrelevant or name not in model or model[name] == found:
            continue
        raise IndexFileError(
            f"the index was made with {_words(stored)}, but this model is {_words(model)}; "
            f"{_cure(name, found)}"
        )


def _words(about: Mapping[str, str]) -> str:
    shown = {**about, "sha256": f"{about['sha256'][:12]}..."} if "sha256" in about else about
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _cure(name: str, wanted: str) -> str:
    if name in ("precision", "pixels"):
        return f"load the model with {name}={wanted!r}, or make the index again"
    return "load the model that made it, or make the index again"
