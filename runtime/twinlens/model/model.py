"""The model: two towers, open and ready, and what they answer together."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from operator import length_hint
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.calibration import Calibration, Level
from twinlens.bundle.manifest import TowerFile
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Precision
from twinlens.deduplication import distinct
from twinlens.embedding.device_tower import DeviceTower
from twinlens.embedding.embedded_blocks import EmbeddedBlock, OnError, blocks
from twinlens.embedding.image_embedder import ImageEmbedder
from twinlens.embedding.text_embedder import TextEmbedder
from twinlens.embedding.tower import Tower
from twinlens.images.decoder import Decoder, NumberedImage
from twinlens.images.image_like import ImageLike
from twinlens.images.kept import Drawn, drawn
from twinlens.images.named_image import NamedImage
from twinlens.images.pixel_options import EXACT, PixelOptions
from twinlens.model.matcher import Matcher
from twinlens.model.towers import open_tower
from twinlens.model.zero_shot import TEMPLATES, Classes, classify_rows, fill_templates
from twinlens.normalization import unit_rows
from twinlens.ort.cuda.options import DEFAULT, CudaOptions
from twinlens.ort.device import Device
from twinlens.ort.io_binding import OnDevice
from twinlens.provenance import about_of
from twinlens.texts.tokenizer import OnCut, Tokenizer

F32 = NDArray[np.float32]

ROWS_AT_ONCE: Final = 1024


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

        def opened(file: TowerFile) -> Tower | DeviceTower:
            return open_tower(
                bundle, file, device=device, threads=threads, cuda=cuda, low_memory=low_memory
            )

        towers = manifest.towers[precision]
        on_cpu = device.kind == "cpu"
        self._images = ImageEmbedder(
            decode=Decoder(spec=manifest.image, pixels=pixels),
            tower=opened(towers.image),
            threads=threads,
            on_cpu=on_cpu,
        )
        self._texts = TextEmbedder(
            tokenizer=Tokenizer(bundle.path(manifest.text.tokenizer), manifest.text),
            tower=opened(towers.text),
            threads=threads,
            on_cpu=on_cpu,
        )
        self._matcher = Matcher(
            bundle.calibration(precision),
            source=manifest.source.name,
            precision=precision,
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
        """Where the towers run: "cpu" or "cuda:0"."""
        return str(self._device)

    @property
    def precision(self) -> Precision:
        """The precision of the towers."""
        return self._precision

    @property
    def pixels(self) -> PixelMode:
        """How images become pixels: "exact" or "fast"."""
        return self._pixels.mode

    @property
    def about(self) -> dict[str, str]:
        """What made an embedding of this model, for whoever stores one and for `check_about`."""
        return about_of(self._manifest.source, self._precision, self._pixels)

    @property
    def width(self) -> int:
        """D, the width of an embedding."""
        return self._manifest.width

    @property
    def level(self) -> Level | Literal["none"]:
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

        A generator is read as it goes: no more than a few dozen images are held at once. It may
        refill an array, close a file, or write the next image under the name of the last: each
        image is copied, or read, as it is drawn. Paths in a list, or of `read_images`, are read by
        the threads instead.

        Args:
            images: paths, encoded bytes, files, PIL images or uint8 arrays [H, W, 3], mixed as you
                like; or what `read_images` gives.
            on_error: "raise" names the first image that cannot be read; "nan" gives it NaN.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        if on_error not in ("raise", "nan"):
            raise ValueError(f"on_error is {on_error!r}, not 'raise' or 'nan'")
        return self._rows(self.stream_images(images, on_error=on_error, progress=progress))

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
        K rows, and then its error. Whoever stops early may close the generator
        or forget it; either way its threads end.

        Args:
            images: as for `embed_images`.
            block: rows of a block, at most.
            on_error: "raise" names the first image that cannot be read; "nan" gives it a row of
                NaN, "skip" none. Both log it and put it into `EmbeddedBlock.lost`.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        if on_error not in ("raise", "nan", "skip"):
            raise ValueError(f"on_error is {on_error!r}, not 'raise', 'nan' or 'skip'")
        if block < 1:
            raise ValueError(f"block is {block}, not a positive number of rows")
        return self._streamed(
            enumerate(self._drawn(images)),
            size=block,
            on_error=on_error,
            progress=progress,
            total=length_hint(images) or None,
        )

    def _drawn(self, images: Batch[ImageLike | NamedImage]) -> Iterable[Drawn]:
        return drawn(dataframes.several(images, "images"), self._pixels.read.limits)

    def _streamed(
        self,
        images: Iterable[NumberedImage],
        *,
        size: int = ROWS_AT_ONCE,
        on_error: OnError = "raise",
        progress: bool = False,
        total: int | None = None,
    ) -> Generator[EmbeddedBlock]:
        with (
            closing(self._images.run(images)) as embedded,
            tqdm(embedded, total=total, disable=not progress, unit="image") as shown,
        ):
            yield from blocks(shown, width=self.width, size=size, on_error=on_error)

    def _rows(self, found: Iterable[EmbeddedBlock]) -> F32:
        none = np.empty((0, self.width), dtype=np.float32)
        return np.concatenate([none, *(block.rows for block in found)])

    def embed_texts(
        self, texts: Batch[str], *, on_cut: OnCut = "warn", progress: bool = False
    ) -> F32:
        """Embeddings [B, D] of texts: unit rows, in their order, whatever the batch.

        For the mean of a text in several templates, such as "a photo of a {}": `embed_labels`.

        Args:
            texts: any strings.
            on_cut: what becomes of a text longer than the context. "ignore" cuts it, "warn" cuts it
                and logs which, "error" refuses it.
            progress: show a bar on stderr.

        Raises:
            TextError: something is not a string, or is too long; the message has its index.
        """
        strings = [*dataframes.several(texts, "texts")]
        return self._texts.run(strings, width=self.width, on_cut=on_cut, progress=progress)

    def embed_images_on_device(self, images: Batch[ImageLike]) -> OnDevice:
        """As `embed_images`, but in one batch, whose rows [B, D] stay in the memory of the device.

        `probabilities_on_device` takes them there, and so does `torch.from_dlpack`.

        Raises:
            DeviceMemoryError: the device has no room for so many at once.
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        return self._images.run_on_device(enumerate(self._drawn(images)))

    def embed_texts_on_device(self, texts: Batch[str], *, on_cut: OnCut = "warn") -> OnDevice:
        """As `embed_texts`, but in one batch, whose rows [B, D] stay in the memory of the device.

        Raises:
            DeviceMemoryError: the device has no room for so many at once.
            TextError: something is not a string, or is too long; the message has its index.
        """
        return self._texts.run_on_device([*dataframes.several(texts, "texts")], on_cut=on_cut)

    def match(
        self, images: Batch[ImageLike], texts: Batch[str], *, prior: float | None = None
    ) -> dataframes.Answer:
        """Probability [B] that image i and text i match.

        Of a pandas or polars series or a pyarrow array of images comes one of probabilities,
        pandas' with its index; of anything else a float32 array.

        Args:
            images: B images.
            texts: B texts.
            prior: share of matching pairs expected; the calibration's own by default.

        Raises:
            CalibrationError: the bundle was not calibrated.
            ValueError: the two differ in number.
        """
        left, right = self._drawn(images), [*dataframes.several(texts, "texts")]
        if isinstance(left, Iterator):
            matching = self._match_drawn(left, right, prior)
        else:
            matching = self._match([*left], right, prior)
        return dataframes.answer(images, matching, (dataframes.MATCH,))

    def _match_drawn(self, images: Iterator[Drawn], texts: list[str], prior: float | None) -> F32:
        """As `_match`, of a source of which no more than a few dozen images are held."""
        _ = self.calibration  # refused before anything is computed
        rows = self._rows(self._streamed(enumerate(images)))
        if len(rows) != len(texts):
            raise ValueError(f"{len(rows)} images and {len(texts)} texts are not pairs")
        return self._matcher.of_pairs(rows, self.embed_texts(texts), prior=prior)

    def _match(self, images: Sequence[Drawn], texts: list[str], prior: float | None) -> F32:
        _ = self.calibration  # refused before anything is computed
        if len(images) != len(texts):
            raise ValueError(f"{len(images)} images and {len(texts)} texts are not pairs")
        firsts, places = distinct(images)
        indices = np.unique(places, return_index=True)[1].tolist()
        rows = self._rows(self._streamed(zip(indices, firsts, strict=True)))
        return self._matcher.of_pairs(rows[places], self.embed_texts(texts), prior=prior)

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
        """
        return self._matcher.of_all(images, texts, prior=prior)

    def probabilities_on_device(
        self, images: F32 | OnDevice, texts: F32 | OnDevice, *, prior: float | None = None
    ) -> OnDevice:
        """As `probabilities`, but the matrix [Q, N] stays in the memory of the device.

        The embeddings may lie there already.

        Raises:
            CalibrationError: the bundle was not calibrated, or not by Platt scaling.
        """
        return self._matcher.of_all_on_device(images, texts, prior=prior)

    def predict_proba(
        self,
        pairs: dataframes.Table,
        *,
        image: str = "image",
        text: str = "text",
        prior: float | None = None,
    ) -> dataframes.Answer:
        """Probabilities [B, 2] that a pair does not match and that it does.

        Of a pandas, polars or pyarrow table comes one with the columns "no match" and "match",
        pandas' with its index; of a dict of columns a float32 array.

        Args:
            pairs: columns by name.
            image: name of the column of images.
            text: name of the column of texts.
            prior: share of matching pairs expected; the calibration's own by default.

        Raises:
            CalibrationError: the bundle was not calibrated.
            ValueError: a column is missing, or the two differ in length.
        """
        images, texts = (dataframes.column(pairs, name) for name in (image, text))
        matching = self._match(images, texts, prior)
        both = np.stack([1 - matching, matching], axis=1)
        return dataframes.answer(pairs, both, dataframes.PROBABILITIES)

    def predict(
        self,
        pairs: dataframes.Table,
        *,
        image: str = "image",
        text: str = "text",
        threshold: float = 0.5,
    ) -> dataframes.Answer:
        """1 [B] for every pair that matches with at least the threshold's probability, else 0.

        Of a pandas, polars or pyarrow table comes a column of it, pandas' with its index. The
        errors are those of `predict_proba`.

        Args:
            pairs: columns by name.
            image: name of the column of images.
            text: name of the column of texts.
            threshold: the probability from which on a pair is said to match. For a precision or
                a recall, `model.calibration.threshold(precision=0.95)`.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold is {threshold}, not between 0 and 1")
        images, texts = (dataframes.column(pairs, name) for name in (image, text))
        matching = self._match(images, texts, None)
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
        names, forms = (
            [*dataframes.several(labels, "labels")],
            [*dataframes.several(templates, "templates")],
        )
        texts = fill_templates(names, forms)
        stacked = self.embed_texts(texts).reshape(len(names), len(forms), self.width)
        return unit_rows(stacked.mean(axis=1))

    def classify(
        self,
        images: Batch[ImageLike | NamedImage],
        labels: Batch[str],
        *,
        templates: Batch[str] = TEMPLATES,
    ) -> Classes:
        """Zero-shot classification of images into labels.

        The probabilities are the softmax of the scaled cosines with the labels' embeddings
        (Radford et al. 2021, section 3.1.4).

        Args:
            images: B images.
            labels: C names, such as "dog".
            templates: texts with one `{}` for the label.

        Raises:
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        names = [*dataframes.several(labels, "labels")]
        label_rows = self.embed_labels(names, templates=templates)
        rows = self.embed_images(images)
        return classify_rows(rows, label_rows, labels=names, scale=self._manifest.native_scale)
