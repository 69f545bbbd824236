"""The model: two towers, open and ready, and their joint answers."""

from collections.abc import Generator, Iterable
from operator import length_hint
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.calibration import Calibration, CalibrationLevel
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Precision
from twinlens.embedding.embedded_blocks import (
    EmbeddedBlock,
    OnError,
    require_choices,
    require_no_skip,
)
from twinlens.images.image_like import ImageLike
from twinlens.images.kept import Drawn
from twinlens.images.named_image import NamedImage
from twinlens.images.pixel_options import EXACT, PixelOptions, with_passes
from twinlens.model.encoders import ROWS_AT_ONCE, Encoders
from twinlens.model.matcher import Matcher
from twinlens.model.towers import TowerOpener
from twinlens.model.zero_shot import TEMPLATES, Classes, classify_rows, fill_templates
from twinlens.normalization import unit_rows
from twinlens.ort.cuda.options import DEFAULT, CudaOptions
from twinlens.ort.device import Device
from twinlens.ort.io_binding import OnDevice
from twinlens.provenance import about_of
from twinlens.texts.tokenizer import OnCut

F32 = NDArray[np.float32]


class Model:
    """Two towers that embed images and texts into the same space of width D.

    Made by `twinlens.load`. Safe to call from several threads.
    """

    def __init__(  # noqa: PLR0913  one choice each, none by place
        self,
        bundle: Bundle,
        *,
        device: Device,
        precision: Precision,
        threads: int,
        pixels: PixelOptions = EXACT,
        cuda: CudaOptions = DEFAULT,
        low_memory: bool = False,
    ) -> None:
        manifest = bundle.manifest
        bundle.check_files()
        self._manifest, self._device, self._precision = manifest, device, precision
        self._pixels = pixels
        opener = TowerOpener(
            bundle=bundle,
            precision=precision,
            device=device,
            threads=threads,
            cuda=cuda,
            low_memory=low_memory,
        )
        self._encoders = Encoders(bundle, opener, pixels=pixels)
        self._matcher = Matcher(
            bundle.calibration(precision),
            source=manifest.source.name,
            precision=precision,
            width=manifest.width,
            pixels=pixels.mode,
            device=device,
            threads=threads,
        )

    def __repr__(self) -> str:
        source = self._manifest.source.name
        how = f"{self._precision} on {self._device}, {self._pixels} pixels"
        return f"Model({source}, {how}, width {self.width})"

    @property
    def device(self) -> str:
        """Device of the towers: "cpu" or "cuda:0"."""
        return str(self._device)

    @property
    def precision(self) -> Precision:
        """The precision of the towers."""
        return self._precision

    @property
    def pixels(self) -> PixelMode:
        """Pixel mode of its images: "exact" or "fast"."""
        return self._pixels.mode

    @property
    def about(self) -> dict[str, str]:
        """Maker of its embeddings, to be stored beside them: `check_about` compares it."""
        return about_of(
            self._manifest.source,
            self._precision,
            self._pixels,
            passes=with_passes(self._manifest.image, self._pixels).passes,
            operators=self._encoders.operators,
        )

    @property
    def width(self) -> int:
        """D, the width of an embedding."""
        return self._manifest.width

    @property
    def level(self) -> CalibrationLevel | Literal["none"]:
        """Trust in its probabilities: native, fitted on pairs with or without labels, or none."""
        return self._matcher.level

    @property
    def towers_key(self) -> str:
        """Key that a calibration of these two towers bears."""
        return self._manifest.towers[self._precision].calibrated_for()

    @property
    def calibration(self) -> Calibration:
        """Curve from a cosine of these towers to a probability, with its figures.

        Raises:
            CalibrationError: the bundle has none for this precision and these pixels.
        """
        return self._matcher.calibration

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
        strings = [*dataframes.several(texts, "texts")]
        return self._encoders.texts.run(strings, width=self.width, on_cut=on_cut, progress=progress)

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

    def match(
        self,
        images: Batch[ImageLike],
        texts: Batch[str],
        *,
        prior: float | None = None,
        on_error: Literal["raise", "nan"] = "raise",
    ) -> dataframes.Answer:
        """Probability [B] that image i and text i match.

        Of a pandas or polars series or a pyarrow array of images comes one of probabilities,
        pandas' with its index; of anything else a float32 array.

        Args:
            images: B images.
            texts: B texts.
            prior: share of matching pairs expected; the calibration's own by default.
            on_error: as for `embed_images`; the probability of an unreadable image is NaN.

        Raises:
            CalibrationError: the bundle was not calibrated.
            ImageError: an image cannot be read; the message has its index and the reason.
            ValueError: the two differ in number, or the prior is no share.
        """
        right = [*dataframes.several(texts, "texts")]
        matching = self._match(self._encoders.drawn(images), right, prior, on_error=on_error)
        return dataframes.answer(images, matching, (dataframes.MATCH,))

    def _match(
        self,
        images: Iterable[Drawn],
        texts: list[str],
        prior: float | None,
        *,
        on_error: Literal["raise", "nan"] = "raise",
    ) -> F32:
        require_no_skip(on_error)
        self.calibration.shift(prior)  # refused before anything is computed
        left, right = self._encoders.pair_rows(images, texts, on_error=on_error)
        return self._matcher.of_pairs(left, right, prior=prior)

    def probabilities(
        self, images: F32, texts: F32, *, prior: float | None = None
    ) -> NDArray[np.float32]:
        """Match probabilities [Q, N] of every one of Q embeddings with every one of N.

        Computed where the towers run. A row of NaN gives NaN. Either side may be the images.

        Args:
            images: unit rows [Q, D].
            texts: unit rows [N, D].
            prior: share of matching pairs expected; the calibration's own by default.

        Raises:
            CalibrationError: the bundle was not calibrated.
            ValueError: the rows are not floats of width D and length 1, or the prior is no share.
        """
        return self._matcher.of_all(images, texts, prior=prior)

    def probabilities_on_device(
        self, images: F32 | OnDevice, texts: F32 | OnDevice, *, prior: float | None = None
    ) -> OnDevice:
        """As `probabilities`, but the matrix [Q, N] stays in the memory of the device.

        The embeddings may lie there already.

        Raises:
            CalibrationError: the bundle was not calibrated, or not by Platt scaling.
            ValueError: the rows are not floats of width D, those in the memory of the CPU not of
                length 1, or the prior is no share.
        """
        return self._matcher.of_all_on_device(images, texts, prior=prior)

    def predict_proba(
        self,
        pairs: dataframes.Table,
        *,
        image: str = "image",
        text: str = "text",
        prior: float | None = None,
        on_error: Literal["raise", "nan"] = "raise",
    ) -> dataframes.Answer:
        """Probabilities [B, 2] that a pair does not match and that it does.

        Of a pandas, polars or pyarrow table comes one with the columns "no match" and "match",
        pandas' with its index; of a dict of columns a float32 array.

        Args:
            pairs: columns by name.
            image: name of the column of images.
            text: name of the column of texts.
            prior: share of matching pairs expected; the calibration's own by default.
            on_error: as for `embed_images`; an unreadable image has probabilities of NaN.

        Raises:
            CalibrationError: the bundle was not calibrated.
            ImageError: an image cannot be read; the message has its index and the reason.
            ValueError: a column is missing, the two differ in length, or the prior is no share.
        """
        images, texts = (dataframes.column(pairs, name) for name in (image, text))
        matching = self._match(images, texts, prior, on_error=on_error)
        both = np.stack([1 - matching, matching], axis=1)
        return dataframes.answer(pairs, both, dataframes.PROBABILITIES)

    def predict(
        self,
        pairs: dataframes.Table,
        *,
        image: str = "image",
        text: str = "text",
        threshold: float = 0.5,
        prior: float | None = None,
    ) -> dataframes.Answer:
        """1 [B] for every pair that matches with at least the threshold's probability, else 0.

        Of a pandas, polars or pyarrow table comes a column of it, pandas' with its index. The
        errors are those of `predict_proba`; of an unreadable image there is no 0 or 1.

        Args:
            pairs: columns by name.
            image: name of the column of images.
            text: name of the column of texts.
            threshold: the probability from which on a pair is said to match. For a precision or
                a recall, `model.calibration.threshold(precision=0.95)`.
            prior: share of matching pairs expected; the calibration's own by default.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold is {threshold}, not between 0 and 1")
        images, texts = (dataframes.column(pairs, name) for name in (image, text))
        matching = self._match(images, texts, prior)
        return dataframes.answer(
            pairs, (matching >= threshold).astype(np.int64), (dataframes.MATCH,)
        )

    def embed_labels(self, labels: Batch[str], *, templates: Batch[str] = TEMPLATES) -> F32:
        """Embeddings [C, D] of labels: the mean of each in all templates, scaled to length 1.

        Args:
            labels: C names, such as "dog".
            templates: texts with one `{}` for the label.

        Raises:
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        names = [*dataframes.several(labels, "labels")]
        forms = [*dataframes.several(templates, "templates")]
        texts = fill_templates(names, forms)
        stacked = self.embed_texts(texts).reshape(len(names), len(forms), self.width)
        return unit_rows(stacked.mean(axis=1))

    def classify(
        self,
        images: Batch[ImageLike | NamedImage],
        labels: Batch[str],
        *,
        templates: Batch[str] = TEMPLATES,
        on_error: Literal["raise", "nan"] = "raise",
    ) -> Classes:
        """Zero-shot classification of images into labels.

        The probabilities are the softmax of the scaled cosines with the labels' embeddings
        (Radford et al. 2021, section 3.1.4).

        Args:
            images: B images.
            labels: C names, such as "dog".
            templates: texts with one `{}` for the label.
            on_error: as for `embed_images`; an unreadable image has probabilities of NaN and no
                best label.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        require_no_skip(on_error)
        names = [*dataframes.several(labels, "labels")]
        label_rows = self.embed_labels(names, templates=templates)
        rows = self.embed_images(images, on_error=on_error)
        return classify_rows(rows, label_rows, labels=names, scale=self._manifest.native_scale)
