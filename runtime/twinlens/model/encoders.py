"""Encoders: the image and the text half of a model, each with its tower, or one of them alone."""

import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from operator import length_hint
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens.deduplication import distinct
from twinlens.embedding.embedded_blocks import EmbeddedBlock, OnError, blocks
from twinlens.embedding.image_embedder import ImageEmbedder
from twinlens.embedding.text_blocks import text_blocks
from twinlens.embedding.text_embedder import TextEmbedder
from twinlens.embedding.tower import Embedder, Tower
from twinlens.errors import ImageError, amount
from twinlens.images.decoder import Decoder, NumberedImage
from twinlens.images.image_like import ImageLike
from twinlens.images.kept import Drawn, drawn
from twinlens.images.named_image import NamedImage
from twinlens.images.pixel_options import PixelOptions, with_passes
from twinlens.model.towers import TowerOpener, require_text
from twinlens.progress import counted, progress_bar
from twinlens.texts.tokenizer import OnCut, Tokenizer
from twinlens.texts.tokens import tokenizer_key

F32 = NDArray[np.float32]

ROWS_AT_ONCE: Final = 1024
"""Rows of a block by default."""


class Encoders:
    """Embedders of one bundle, opened on a device: of images, of texts, mostly both."""

    def __init__(self, bundle: Bundle, opener: TowerOpener, *, pixels: PixelOptions) -> None:
        manifest = bundle.manifest
        self._manifest = manifest
        self._texts = None if manifest.text is None else _text_embedder(opener, manifest.text)
        self._images = (
            None if manifest.image is None else _image_embedder(opener, manifest.image, pixels)
        )
        self._width, self._limits = manifest.width, pixels.read.limits

    @property
    def images(self) -> ImageEmbedder:
        """Image half.

        Raises:
            MissingTowerError: there is none.
        """
        if self._images is None:
            raise self._manifest.missing("image")
        return self._images

    @property
    def texts(self) -> TextEmbedder:
        """Text half.

        Raises:
            MissingTowerError: there is none.
        """
        if self._texts is None:
            raise self._manifest.missing("text")
        return self._texts

    def warm_up(self) -> None:
        """Run every tower once in each of its sessions, and decode one image."""
        if self._images is not None:
            side = self._images.decode.spec.side_px
            file = io.BytesIO()
            Image.new("RGB", (8, 8)).save(file, "JPEG")
            with suppress(ImageError):  # the model's limits may forbid such images
                self._images.decode.one(file.getvalue())
            _run_once(self._images.tower, np.zeros((1, side, side, 3), dtype=np.uint8))
        if self._texts is not None:
            _run_once(self._texts.tower, self._texts.tokenizer.encode([""]))

    def close(self) -> None:
        """Close every tower."""
        for half in (self._images, self._texts):
            if half is not None:
                half.tower.close()

    def drawn(self, images: Batch[ImageLike | NamedImage]) -> Iterable[Drawn]:
        """Return the images as they may be decoded later; an iterator is read as it goes.

        Raises:
            TypeError: it is a single image.
        """
        return drawn(dataframes.several(images, "images"), self._limits)

    def stream(
        self,
        images: Iterable[NumberedImage],
        *,
        size: int = ROWS_AT_ONCE,
        on_error: OnError = "raise",
        progress: bool = False,
        total: int | None = None,
    ) -> Generator[EmbeddedBlock]:
        """Yield the embeddings of images in blocks of `size` rows.

        Raises:
            ImageError: an image cannot be read, and on_error is "raise".
        """
        with (
            closing(self.images.run(images)) as embedded,
            progress_bar(progress, total=total, unit="image") as update,
        ):
            counting = counted(embedded, update)
            yield from blocks(counting, width=self._width, size=size, on_error=on_error)

    def stream_texts(
        self, texts: Iterable[str], *, size: int, on_cut: OnCut, on_error: OnError, progress: bool
    ) -> Generator[EmbeddedBlock]:
        """Yield the embeddings of texts in blocks of `size` rows.

        Raises:
            TextError: a text cannot be embedded, and on_error is "raise".
        """

        def embed(several: list[str], first: int) -> F32:
            return self.texts.run(
                several, width=self._width, on_cut=on_cut, progress=False, first=first
            )

        with progress_bar(progress, total=length_hint(texts) or None, unit="text") as update:
            for block in text_blocks(embed, texts, width=self._width, size=size, on_error=on_error):
                update(len(block) + (len(block.lost) if on_error == "skip" else 0))
                yield block

    def rows_of(self, found: Iterable[EmbeddedBlock]) -> F32:
        """Return the rows [B, D] of blocks."""
        none = np.empty((0, self._width), dtype=np.float32)
        return np.concatenate([none, *(block.rows for block in found)])

    def pair_rows(
        self,
        images: Iterable[Drawn],
        texts: list[str],
        *,
        on_error: Literal["raise", "nan"],
        on_cut: OnCut,
        progress: bool,
    ) -> tuple[F32, F32]:
        """Return the rows [B, D] of images and those of their texts; an image is embedded once.

        Raises:
            ImageError: an image cannot be read, and on_error is "raise".
            TextError: something is not a string.
            ValueError: the two differ in number.
        """
        if isinstance(images, Iterator):  # read as it goes, repetitions and all
            left = self.rows_of(
                self.stream(enumerate(images), on_error=on_error, progress=progress)
            )
            _require_pairs(len(left), len(texts))
        else:
            firsts, places = distinct(images)
            _require_pairs(len(places), len(texts))
            indices = np.unique(places, return_index=True)[1].tolist()
            numbered = zip(indices, firsts, strict=True)
            found = self.stream(numbered, on_error=on_error, progress=progress, total=len(indices))
            left = self.rows_of(found)[places]
        return left, self.texts.run(texts, width=self._width, on_cut=on_cut, progress=progress)


def _image_embedder(opener: TowerOpener, spec: ImageSpec, pixels: PixelOptions) -> ImageEmbedder:
    return ImageEmbedder(
        decode=Decoder(spec=with_passes(spec, pixels), pixels=pixels),
        tower=opener.open("image"),
        threads=opener.threads,
        on_cpu=opener.options.device.kind == "cpu",
        low_memory=opener.options.low_memory,
    )


def _text_embedder(opener: TowerOpener, spec: TextSpec) -> TextEmbedder:
    bundle, tower = opener.bundle, opener.open("text")
    tokenizer = Tokenizer(bundle.path(spec.tokenizer), spec)
    if isinstance(tower, Tower):
        require_text(bundle, tower, tokenizer, spec)
    return TextEmbedder(
        tokenizer=tokenizer,
        key=tokenizer_key(spec, sha256=bundle.manifest.files[spec.tokenizer]),
        tower=tower,
        threads=opener.threads,
        on_cpu=opener.options.device.kind == "cpu",
        low_memory=opener.options.low_memory,
    )


def _run_once(tower: Embedder, batch: NDArray[Any]) -> None:
    for embed in (tower.embed, tower.single_threaded()):
        embed(batch)


def _require_pairs(n_images: int, n_texts: int) -> None:
    if n_images != n_texts:
        raise ValueError(f"{amount(n_images, 'image')} and {amount(n_texts, 'text')} are not pairs")
