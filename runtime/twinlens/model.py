"""The model: two towers, open and ready, and what they answer together."""

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cached_property
from operator import length_hint
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from twinlens import frames
from twinlens.bundle import Bundle, Precision, TowerFile
from twinlens.calibration import Calibration, Level
from twinlens.classes import TEMPLATES, Classes, filled
from twinlens.decoding import Decoded, Numbered, decoded
from twinlens.duplicates import distinct
from twinlens.errors import BundleError, CalibrationError, ImageError
from twinlens.images import ImageLike
from twinlens.pairing import Pairing
from twinlens.rows import unit_rows
from twinlens.session import Device, OnDevice, Session
from twinlens.texts import Tokenizer

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
T = TypeVar("T")
OnError = Literal["raise", "nan"]

TEXTS_AT_ONCE: Final = 64


class Tower:
    """One ONNX tower: a packed batch in, unit rows [B, D] out."""

    def __init__(self, file: TowerFile, session: Session) -> None:
        session.require(inputs={file.input}, outputs={file.output})
        self._file, self._session = file, session

    def embed(self, batch: NDArray[Any]) -> F32:
        """Unit rows [B, D] of uint8 pixels [B, S, S, 3] or int64 ids [B, T]."""
        return self._session.run({self._file.input: batch}, self._file.output)


class Model:
    """Two towers that embed images and texts into the same space of width D.

    Made by `twinlens.load`. Safe to call from several threads.
    """

    def __init__(
        self, bundle: Bundle, *, device: Device, precision: Precision, threads: int
    ) -> None:
        bundle.check(precision)
        manifest = bundle.manifest
        towers = manifest.towers[precision]

        def tower(file: TowerFile) -> Tower:
            path = bundle.path(file.file)
            return Tower(file, Session(path, device=device, threads=threads, name=str(path)))

        self._manifest, self._device, self._precision = manifest, device, precision
        self._threads = threads
        self._image_tower, self._text_tower = tower(towers.image), tower(towers.text)
        self._tokenizer = Tokenizer(bundle.path(manifest.text.tokenizer), manifest.text)
        self._calibration = manifest.calibrations.get(precision)
        if self._calibration is not None and self._calibration.towers != towers.calibrated_for():
            raise BundleError(
                f"the {precision} calibration in {bundle.folder} was fitted on other towers; "
                f"calibrate this bundle again: twinlens calibrate {bundle.folder} pairs.csv"
            )

    def __repr__(self) -> str:
        source = self._manifest.source.name
        return f"Model({source}, {self._precision} on {self._device}, width {self.width})"

    @property
    def device(self) -> str:
        """Where the towers run: "cpu" or "cuda:0"."""
        return str(self._device)

    @property
    def precision(self) -> Precision:
        """The precision of the towers."""
        return self._precision

    @property
    def width(self) -> int:
        """D, the width of an embedding."""
        return self._manifest.width

    @property
    def level(self) -> Level | Literal["none"]:
        """How far its probabilities may be trusted; with "none" there are none."""
        return "none" if self._calibration is None else self._calibration.level

    @property
    def towers_key(self) -> str:
        """The key that a calibration of these two towers bears."""
        return self._manifest.towers[self._precision].calibrated_for()

    @property
    def calibration(self) -> Calibration:
        """How a cosine of these towers becomes a probability.

        Raises:
            CalibrationError: the bundle has none for this precision.
        """
        if self._calibration is None:
            raise CalibrationError(
                f"{self._manifest.source.name} has no calibration for {self._precision}: a cosine "
                "alone says nothing of the odds; rank by cosine, or calibrate the bundle on pairs: "
                "twinlens calibrate BUNDLE pairs.csv"
            )
        return self._calibration

    @cached_property
    def _pairing(self) -> Pairing:
        """Opened when first asked for: it has threads of its own, and few ask."""
        return Pairing(device=self._device, threads=self._threads)

    def embed_images(
        self,
        images: Iterable[ImageLike],
        *,
        on_error: OnError = "raise",
        progress: bool = False,
    ) -> F32:
        """Embeddings [B, D] of images: unit rows, in their order, whatever the batch.

        A generator is read as it goes: no more than a few dozen images are held at once.

        Args:
            images: paths, encoded bytes, PIL images or uint8 arrays [H, W, 3], mixed as you like.
            on_error: "raise" names the first image that cannot be read; "nan" gives it NaN.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
        """
        if on_error not in ("raise", "nan"):
            raise ValueError(f"on_error is {on_error!r}, not 'raise' or 'nan'")
        return self._embed_numbered(
            enumerate(_several(images, "images")),
            on_error=on_error,
            progress=progress,
            total=length_hint(images) or None,
        )

    def _embed_numbered(
        self, images: Iterable[Numbered], *, on_error: OnError, progress: bool, total: int | None
    ) -> F32:
        parts = [np.empty((0, self.width), dtype=np.float32)]
        with (
            closing(decoded(images, self._manifest.image, threads=self._threads)) as batches,
            tqdm(total=total, disable=not progress, unit="image") as bar,
        ):
            for batch in batches:
                parts.append(self._embed_decoded(batch, on_error))
                bar.update(len(batch))
        return np.concatenate(parts)

    def _embed_decoded(self, batch: Sequence[Decoded], on_error: OnError) -> F32:
        rows = np.full((len(batch), self.width), np.nan, dtype=np.float32)
        good: dict[int, NDArray[np.uint8]] = {}
        for place, (number, pixels) in enumerate(batch):
            if not isinstance(pixels, ImageError):
                good[place] = pixels
            elif on_error == "raise":
                raise ImageError(f"image {number}: {pixels}") from pixels
            else:
                logger.warning("image %d: %s", number, pixels)
        if good:
            rows[list(good)] = self._image_tower.embed(np.stack(list(good.values())))
        return rows

    def embed_texts(self, texts: Iterable[str], *, progress: bool = False) -> F32:
        """Embeddings [B, D] of texts: unit rows, in their order, whatever the batch.

        A text longer than the context is cut.

        Raises:
            TextError: something is not a string; the message has its index.
        """
        ids = [tuple(row) for row in self._tokenizer.encode_ragged([*_several(texts, "texts")])]
        # Each once, and neighbours of one length: neither repetition nor padding costs anything.
        once = sorted(set(ids), key=len)
        rows = np.empty((len(once), self.width), dtype=np.float32)
        with tqdm(total=len(once), disable=not progress, unit="text") as bar:
            for start in range(0, len(once), TEXTS_AT_ONCE):
                batch = once[start : start + TEXTS_AT_ONCE]
                rows[start : start + len(batch)] = self._text_tower.embed(
                    self._tokenizer.pack(batch)
                )
                bar.update(len(batch))
        place = {row: number for number, row in enumerate(once)}
        return rows[[place[row] for row in ids]]

    def match(
        self, images: Iterable[ImageLike], texts: Iterable[str], *, prior: float | None = None
    ) -> frames.Answer:
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
        left, right = [*_several(images, "images")], [*_several(texts, "texts")]
        return frames.answer(images, self._match(left, right, prior), (frames.MATCH,))

    def _match(self, images: list[ImageLike], texts: list[str], prior: float | None) -> F32:
        calibration = self.calibration
        if len(images) != len(texts):
            raise ValueError(f"{len(images)} images and {len(texts)} texts are not pairs")
        firsts, places = distinct(images)
        indices = np.unique(places, return_index=True)[1].tolist()
        numbered = zip(indices, firsts, strict=True)
        rows = self._embed_numbered(numbered, on_error="raise", progress=False, total=None)
        left, right = rows[places], self.embed_texts(texts)
        return calibration.probability(np.einsum("bd,bd->b", left, right), prior=prior)

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
        return self._pairing.run(self.calibration, images, texts, prior=prior)

    def probabilities_on_device(
        self, images: F32, texts: F32, *, prior: float | None = None
    ) -> OnDevice:
        """As `probabilities`, but the matrix [Q, N] stays in the memory of the device.

        Raises:
            CalibrationError: the bundle was not calibrated, or not by Platt scaling.
        """
        return self._pairing.run_on_device(self.calibration, images, texts, prior=prior)

    def predict_proba(
        self,
        pairs: frames.Table,
        *,
        image: str = "image",
        text: str = "text",
        prior: float | None = None,
    ) -> frames.Answer:
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
        images, texts = (frames.column(pairs, name) for name in (image, text))
        matching = self._match(images, texts, prior)
        both = np.stack([1 - matching, matching], axis=1)
        return frames.answer(pairs, both, frames.PROBABILITIES)

    def predict(
        self,
        pairs: frames.Table,
        *,
        image: str = "image",
        text: str = "text",
        threshold: float = 0.5,
    ) -> frames.Answer:
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
        images, texts = (frames.column(pairs, name) for name in (image, text))
        matching = self._match(images, texts, None)
        return frames.answer(pairs, (matching >= threshold).astype(np.int64), (frames.MATCH,))

    def embed_labels(self, labels: Iterable[str], *, templates: Iterable[str] = TEMPLATES) -> F32:
        """Embeddings [C, D] of labels: the mean of each in all templates, scaled to length 1.

        Args:
            labels: C names, such as "dog".
            templates: texts with one `{}` for the label.

        Raises:
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        names, forms = [*_several(labels, "labels")], [*_several(templates, "templates")]
        texts = filled(names, forms)
        stacked = self.embed_texts(texts).reshape(len(names), len(forms), self.width)
        return unit_rows(stacked.mean(axis=1))

    def classify(
        self,
        images: Iterable[ImageLike],
        labels: Iterable[str],
        *,
        templates: Iterable[str] = TEMPLATES,
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
        names = [*_several(labels, "labels")]
        rows = self.embed_labels(names, templates=templates)
        logits = self._manifest.native_scale * (self.embed_images(images) @ rows.T)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Classes(
            labels=tuple(names), probabilities=shares / shares.sum(axis=1, keepdims=True)
        )


def _several(values: Iterable[T], name: str) -> Iterable[T]:
    """The values, unless they are a single one, which would pass for its letters or pixel rows."""
    shape: tuple[int, ...] = getattr(values, "shape", ())
    picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if picture or isinstance(values, (str, bytes, os.PathLike, Image.Image)):
        raise TypeError(f"{name} is one {type(values).__name__}; give a list of them")
    # The scalars of pyarrow are its own.
    return frames.plain(values) if hasattr(values, "to_pylist") else values
