"""Items of a job and their blocks: names, rows, and the reasons of the lost ones, in order."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.batch import Batch
from twinlens.dataframes import several
from twinlens.embedding.embedded_blocks import EmbeddedBlock, OnError
from twinlens.embedding.text_blocks import name_of
from twinlens.images.image_like import ImageLike
from twinlens.images.kept import LASTING
from twinlens.images.named_image import ListedImage, NamedImage
from twinlens.images.sources.open import path_of
from twinlens.model.model import Model
from twinlens.texts.tokenizer import OnCut

BLOCK_IMAGES: Final = 64
"""Images of a block: at one a second, a minute's work."""
BLOCK_TEXTS: Final = 1024
"""Texts of a block, which are sorted by length and equal ones embedded once."""

Wanted = Callable[[str, object], bool]
"""Returns True if an item of that name is to be embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBlock:
    """Consecutive items."""

    names: tuple[str, ...]
    """[B]"""
    rows: NDArray[np.float32]
    """[B, D], unit rows; NaN for a lost item."""
    reasons: tuple[str | None, ...]
    """[B], None of an item that is not lost."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_lost(self) -> int:
        """Lost items."""
        return len(self.reasons) - self.reasons.count(None)


def image_blocks(
    model: Model,
    images: Batch[ImageLike | NamedImage],
    wanted: Wanted,
    *,
    most: int = BLOCK_IMAGES,
) -> Generator[ItemBlock]:
    """Yield the wanted images, embedded, at most so many at a time.

    A name is a path, that of its source, or "image 7".
    """
    chosen = _named(images, wanted)
    size = min(most, BLOCK_IMAGES)
    for block in model.stream_images(chosen, block=size, on_error="nan"):
        yield _block(block, "image")


def text_blocks(  # noqa: PLR0913  a choice each, none by place
    model: Model,
    texts: Batch[str],
    wanted: Wanted,
    *,
    most: int = BLOCK_TEXTS,
    on_cut: OnCut,
    on_error: OnError = "nan",
) -> Generator[ItemBlock]:
    """Yield the wanted texts, embedded, at most so many at a time; the name is the text.

    Raises:
        TextError: a text cannot be embedded, and on_error is "raise".
    """
    chosen = (text for text in several(texts, "texts") if wanted(name_of(text), text))
    size = min(most, BLOCK_TEXTS)
    for block in model.stream_texts(chosen, block=size, on_cut=on_cut, on_error=on_error):
        yield _block(block, "text")


def _named(
    images: Batch[ImageLike | NamedImage], wanted: Wanted
) -> Iterator[ImageLike | NamedImage]:
    """Yield the wanted images; one without a name gets its number in the source as one."""
    source = several(images, "images")
    # The members of a collection stay as they are: threads may read them later.
    kind = ListedImage if isinstance(source, LASTING) else NamedImage
    for number, image in enumerate(source):
        if isinstance(image, NamedImage) and image.name:
            if wanted(image.name, image.image):
                yield image
            continue
        bare = image.image if isinstance(image, NamedImage) else image
        path = _path_of(bare)
        if wanted(path or f"image {number}", bare):
            # A path of a generator keeps its own form: it is read when it is drawn.
            yield image if path and kind is NamedImage else kind(path or f"image {number}", bare)


def _path_of(image: object) -> str | None:
    try:
        return path_of(image)
    except Exception:  # noqa: BLE001  the object's own; its reading tells the reason
        return None


def _block(block: EmbeddedBlock, noun: str) -> ItemBlock:
    reasons = {one.index: without_number(one.reason, f"{noun} {one.index}") for one in block.lost}
    return ItemBlock(
        names=block.names,
        rows=block.rows,
        reasons=tuple(reasons.get(number) for number in block.indices.tolist()),
    )


def without_number(reason: str, item: str) -> str:
    """Return a reason without the item's number in this run: a resumed run counts otherwise."""
    for separator in (": ", " "):
        if reason.startswith(item + separator):
            return reason.removeprefix(item + separator)
    return reason
