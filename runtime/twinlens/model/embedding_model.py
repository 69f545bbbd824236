"""Embedding half of a model: images, texts, pixels and tokens as unit rows."""

from collections.abc import Generator
from operator import length_hint
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.embedding.embedded_blocks import (
    EmbeddedBlock,
    OnError,
    require_choices,
    require_no_skip,
)
from twinlens.images.image_like import ImageLike
from twinlens.images.named_image import NamedImage
from twinlens.model.encoders import ROWS_AT_ONCE
from twinlens.model.open_model import _OpenModel
from twinlens.model.zero_shot import TEMPLATES, as_templates, fill_templates
from twinlens.normalization import unit_rows
from twinlens.ort.cancellation import Cancellation
from twinlens.ort.io_binding import OnDevice
from twinlens.texts.tokenizer import OnCut
from twinlens.texts.tokens import Tokens

F32 = NDArray[np.float32]


class _EmbeddingModel(_OpenModel):
    """Model that embeds images and texts into the same space of width D.

    Of a bundle with one tower it embeds the one modality, and every act that needs the other is a
    MissingTowerError.
    """

    def embed_images(
        self,
        images: Batch[ImageLike | NamedImage],
        *,
        on_error: Literal["raise", "nan"] = "raise",
        progress: bool = False,
    ) -> F32:
        """Embeddings [B, D] of images: unit rows, in their order, whatever the batch.

        A generator is read as it goes: at most 24 images a thread are held at once. It may refill
        an array, close a file, or reuse a name: each image is copied, or read, as it is drawn.
        Paths in a list, or of `read_images`, are read by the threads instead.

        Args:
            images: paths, encoded bytes, files, PIL images or uint8 arrays [H, W, 3], mixed as you
                like; or what `read_images` gives.
            on_error: "raise" names the first image that cannot be read; "nan" gives it NaN.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        require_no_skip(on_error)
        found = self.stream_images(images, on_error=on_error, progress=progress)
        return self._encoders.rows_of(found)

    def stream_images(
        self,
        images: Batch[ImageLike | NamedImage],
        *,
        block: int = ROWS_AT_ONCE,
        on_error: OnError = "raise",
        progress: bool = False,
    ) -> Generator[EmbeddedBlock]:
        """The embeddings of images a block at a time: of a million nothing is held but one block.

        for block in model.stream_images(twinlens.read_images("photos")):
            store(block.names, block.rows)

        The images are read as the blocks are asked for. A source that fails after K images gives
        K rows, and then its error. A generator that is closed, or forgotten, ends its threads.

        Args:
            images: as for `embed_images`.
            block: rows of a block, at most.
            on_error: "raise" names the first image that cannot be read; "nan" gives it a row of
                NaN, "skip" none. Both log it and put it into `EmbeddedBlock.lost`.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        require_choices(on_error, block)
        self.require("image")
        return self._encoders.stream(
            enumerate(self._encoders.drawn(images)),
            size=block,
            on_error=on_error,
            progress=progress,
            total=length_hint(images) or None,
        )

    def embed_texts(
        self, texts: Batch[str], *, on_cut: OnCut = "warn", progress: bool = False
    ) -> F32:
        """Embeddings [B, D] of texts: unit rows, in their order, whatever the batch.

        For the mean of a text in several templates, such as "a photo of a {}": `embed_labels`.

        Args:
            texts: any strings.
            on_cut: handling of a text longer than the context. "ignore" cuts it, "warn" cuts it
                and logs which, "error" refuses it.
            progress: show a bar on stderr.

        Raises:
            TextError: something is not a string, or is too long; the message has its index.
        """
        self.require("text")
        strings = [*dataframes.several(texts, "texts")]
        return self._encoders.texts.run(strings, width=self.width, on_cut=on_cut, progress=progress)

    def stream_texts(
        self,
        texts: Batch[str],
        *,
        block: int = ROWS_AT_ONCE,
        on_cut: OnCut = "warn",
        on_error: OnError = "raise",
        progress: bool = False,
    ) -> Generator[EmbeddedBlock]:
        """The embeddings of texts a block at a time: of a million nothing is held but one block.

        The names of a block are the texts. Equal texts of a block are embedded once.

        Args:
            texts: any strings.
            block: rows of a block, at most.
            on_cut: as for `embed_texts`.
            on_error: as for `stream_images`, for a text that is no string, or too long with on_cut
                "error".
            progress: show a bar on stderr.

        Raises:
            TextError: a text cannot be embedded; the message has its index and the reason.
        """
        require_choices(on_error, block)
        self.require("text")
        return self._encoders.stream_texts(
            dataframes.several(texts, "texts"),
            size=block,
            on_cut=on_cut,
            on_error=on_error,
            progress=progress,
        )

    def embed_images_on_device(self, images: Batch[ImageLike]) -> OnDevice:
        """As `embed_images`, but in one batch, whose rows [B, D] stay in the memory of the device.

        `probabilities_on_device` takes them there, and so does `torch.from_dlpack`.

        Raises:
            DeviceMemoryError: the device has no room for so many at once.
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        drawn = self._encoders.drawn(images)
        return self._encoders.images.run_on_device(enumerate(drawn))

    def embed_texts_on_device(self, texts: Batch[str], *, on_cut: OnCut = "warn") -> OnDevice:
        """As `embed_texts`, but in one batch, whose rows [B, D] stay in the memory of the device.

        Raises:
            DeviceMemoryError: the device has no room for so many at once.
            TextError: something is not a string, or is too long; the message has its index.
        """
        return self._encoders.texts.run_on_device(
            [*dataframes.several(texts, "texts")], on_cut=on_cut
        )

    def preprocess(self, image: ImageLike | NamedImage) -> NDArray[np.uint8]:
        """Pixels [S, S, 3] of one image, as `embed_images` gives them to the tower.

        Decoded on the calling thread: a service does so beside `embed_pixels` of other requests.

        Raises:
            ImageError: it cannot be read; the message has the reason.
        """
        return self._encoders.images.decode.one(image)

    def embed_pixels(self, pixels: NDArray[np.uint8], *, cancel: Cancellation | None = None) -> F32:
        """Embeddings [B, D] of pixels, in int8, bf16 and fp32 to the bit those of `embed_images`.

        Computed on the calling thread, 16 images at a time. A model loaded with threads=1 has one
        session a tower: any number of threads may call at once, and each computes by itself. With
        more threads the others of the session help the caller.

        Args:
            pixels: uint8 [B, S, S, 3]; `numpy.stack` of what `preprocess` gives.
            cancel: ends the call from another thread.

        Raises:
            ImageError: they have another shape or dtype.
            RunCancelledError: it was cancelled.
        """
        return self._encoders.images.run_pixels(pixels, width=self.width, cancel=cancel)

    def tokenize(self, texts: Batch[str], *, on_cut: OnCut = "warn") -> Tokens:
        """Token ids of texts, as `embed_texts` gives them to the tower.

        Args:
            texts: any strings.
            on_cut: as for `embed_texts`; `Tokens.cut` has the places of those that were cut.

        Raises:
            TextError: something is not a string, or is too long; the message has its index.
        """
        return self._encoders.texts.tokenize([*dataframes.several(texts, "texts")], on_cut=on_cut)

    def embed_tokens(self, tokens: Tokens, *, cancel: Cancellation | None = None) -> F32:
        """Embeddings [B, D] of tokens, in int8, bf16 and fp32 to the bit those of `embed_texts`.

        Computed on the calling thread as by `embed_pixels`, 64 distinct texts of like length at a
        time.

        Args:
            tokens: what `tokenize` gave, of this model or of one with the same tokenizer.
            cancel: ends the call from another thread.

        Raises:
            RunCancelledError: it was cancelled.
            TextError: they are of another tokenizer, or hold what it never gives.
        """
        return self._encoders.texts.run_tokens(tokens, width=self.width, cancel=cancel)

    def embed_labels(
        self,
        labels: Batch[str],
        *,
        templates: str | Batch[str] = TEMPLATES,
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> F32:
        """Embeddings [C, D] of labels: the mean of each in all templates, scaled to length 1.

        Args:
            labels: C names, such as "dog".
            templates: one text with one `{}` for the label, or several.
            on_cut: as for `embed_texts`.
            progress: show a bar on stderr.

        Raises:
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        names = [*dataframes.several(labels, "labels")]
        forms = as_templates(templates)
        texts = fill_templates(names, forms)
        rows = self.embed_texts(texts, on_cut=on_cut, progress=progress)
        stacked = rows.reshape(len(names), len(forms), self.width)
        return unit_rows(stacked.mean(axis=1))
