"""The model: two towers, open and ready, and their joint answers."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.embedding.embedded_blocks import require_no_skip
from twinlens.images.image_like import ImageLike
from twinlens.images.kept import Drawn
from twinlens.images.named_image import NamedImage
from twinlens.model.embedding_model import _EmbeddingModel
from twinlens.model.zero_shot import ASSUMED_SCALE, TEMPLATES, Classes, classify_rows
from twinlens.ort.io_binding import OnDevice

F32 = NDArray[np.float32]


class Model(_EmbeddingModel):
    """Two towers that embed images and texts into the same space of width D, or one of the two.

    Made by `twinlens.load`. Safe to call from several threads. `with` closes it, and so does
    `close`. A pickle of it holds the path of the bundle and the options, no weights: the other
    process opens the same, unchanged bundle anew. `copy.copy` and `copy.deepcopy` return the model
    itself.
    """

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
        self._require_open()
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
        self._require_open()
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
        self.require("text", "image")
        names = [*dataframes.several(labels, "labels")]
        label_rows = self.embed_labels(names, templates=templates)
        rows = self.embed_images(images, on_error=on_error)
        return self.classify_rows(rows, label_rows, labels=names)

    def classify_rows(self, images: F32, label_rows: F32, *, labels: Sequence[str]) -> Classes:
        """Zero-shot classification of embeddings, as `classify`; a row of NaN gives NaN.

        Args:
            images: unit rows [B, D].
            label_rows: unit rows [C, D], of `embed_labels`.
            labels: their C names.
        """
        self._require_open()
        own = self._manifest.native_scale
        scale = ASSUMED_SCALE if own is None else own
        return classify_rows(images, label_rows, labels=labels, scale=scale)
