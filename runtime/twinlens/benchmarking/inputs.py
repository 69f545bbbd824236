"""Images and texts to ask with: the user's own, or pictures and captions made of the drawings."""

import hashlib
import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from twinlens.benchmarking.record import Inputs
from twinlens.datasets.read_images import read_images
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import ImageError

SIDES_PX: Final = (640, 480)
"""Of the pictures that are made: a small photograph's."""
QUALITY: Final = 90
MOST_IMAGES: Final = 64
MOST_TEXTS: Final = 1024
LONG_WORDS: Final = 80
"""More words than a context has tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Encoded images and distinct texts; long texts fill the context."""

    images: tuple[bytes, ...]
    texts: tuple[str, ...]
    long_texts: tuple[str, ...]

    def facts(self, *, tokens: float | None, long_tokens: float | None) -> Inputs:
        """Return counts, sizes and a hash of all of them."""
        together = hashlib.sha256()
        for content in (*self.images, *(text.encode("utf-8", "replace") for text in self.texts)):
            together.update(len(content).to_bytes(8, "little") + content)
        return Inputs(
            images=len(self.images),
            texts=len(self.texts),
            image_bytes=round(sum(map(len, self.images)) / len(self.images)),
            tokens=tokens,
            long_tokens=long_tokens,
            sha256=together.hexdigest(),
        )


def read_items(images: Sequence[Path], texts: Iterable[str] | None) -> Items:
    """Return the user's images and texts, and made ones where there are none.

    At most 64 images and 1,024 distinct texts are taken, the first ones: a text that is there twice
    in a batch would be embedded once.

    Raises:
        FileNotFoundError: a source of images does not exist.
        ImageError: an image of a source is lost.
        ValueError: there is no image, or no text, in the sources given.
    """
    chosen = (
        tuple(dict.fromkeys(itertools.islice(texts, MOST_TEXTS)))
        if texts is not None
        else made_captions()
    )
    found = _read_images(images) if images else made_pictures()
    if not chosen or not found:
        raise ValueError(f"there is no {'image' if chosen else 'text'} to ask with; name others")
    return Items(images=found, texts=chosen, long_texts=_long(chosen))


def made_captions() -> tuple[str, ...]:
    """Return 1,024 distinct captions, each of two drawings of the package."""
    captions = [drawing.caption for drawing in bundled_drawings()]
    pairs = itertools.islice(itertools.permutations(captions, 2), 0, None, 3)
    return tuple(itertools.islice((f"{one} and {other}" for one, other in pairs), MOST_TEXTS))


def made_pictures(count: int = 24) -> tuple[bytes, ...]:
    """Return JPEGs of 640 x 480: drawings of the package on grounds with the noise of a camera."""
    drawings = itertools.islice(itertools.cycle(bundled_drawings()), count)
    return tuple(_picture(drawing.path, number) for number, drawing in enumerate(drawings))


def _picture(path: Path, number: int) -> bytes:
    draw = np.random.default_rng(number)
    width, height = SIDES_PX
    across = np.linspace(0, 1, width)[None, :, None]
    down = np.linspace(0, 1, height)[:, None, None]
    corners = draw.uniform(40, 215, (4, 3))
    ground = (1 - down) * ((1 - across) * corners[0] + across * corners[1]) + down * (
        (1 - across) * corners[2] + across * corners[3]
    )
    noisy = ground + draw.normal(0, 6, ground.shape)
    canvas = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    side = int(draw.integers(height // 2, height))
    with Image.open(path) as drawing:
        large = drawing.convert("RGBA").resize((side, side), Image.Resampling.BICUBIC)
    canvas.paste(large, (int(draw.integers(width - side)), (height - side) // 2), large)
    encoded = io.BytesIO()
    canvas.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def _read_images(sources: Sequence[Path]) -> tuple[bytes, ...]:
    named = itertools.chain.from_iterable(map(read_images, sources))
    contents = (_content(one.image) for one in itertools.islice(named, MOST_IMAGES))
    return tuple(content for content in contents if content)


def _content(image: object) -> bytes:
    if isinstance(image, ImageError):
        raise image
    return image if isinstance(image, bytes) else Path(str(image)).read_bytes()


def _long(texts: Sequence[str]) -> tuple[str, ...]:
    """Return distinct texts that are longer than any context, each begun by another of these."""
    count = min(len(texts), MOST_TEXTS // 4)
    words = [word for text in texts for word in text.split()] or list(texts)
    return tuple(
        " ".join([text, *itertools.islice(itertools.cycle(words), number, number + LONG_WORDS)])
        for number, text in enumerate(texts[:count])
    )
