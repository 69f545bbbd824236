"""Matching half of a model: probabilities that pairs match."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.calibration import Calibration, CalibrationLevel, PairKind, check_share
from twinlens.embedding.embedded_blocks import require_no_skip
from twinlens.errors import TextError
from twinlens.images.image_like import ImageLike
from twinlens.model.embedding_model import _EmbeddingModel
from twinlens.model.pair_columns import PairColumns, pair_columns
from twinlens.ort.io_binding import OnDevice
from twinlens.texts.tokenizer import OnCut

F32 = NDArray[np.float32]


class _MatchingModel(_EmbeddingModel):
    """Model that tells the probability that two things match."""

    def match(  # noqa: PLR0913  one choice each, none by place
        self,
        images: Batch[ImageLike],
        texts: Batch[str],
        *,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        on_error: Literal["raise", "nan"] = "raise",
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> dataframes.Answer:
        """Probability [B] that image i and text i match.

        Of a pandas or polars series or a pyarrow array of images comes one of probabilities,
        pandas' with its index; of anything else a float32 array. The name of a series tells an
        assumed level: "match (assumed)".

        Args:
            images: B images.
            texts: B texts.
            prior: share of matching pairs expected; the calibration's own by default.
            level: level of the probabilities wanted, or an error. By default that of the bundle's
                calibration; "assumed" takes the curve that is not fitted.
            on_error: as for `embed_images`; the probability of an unreadable image is NaN.
            on_cut: as for `embed_texts`.
            progress: show a bar on stderr.

        Raises:
            CalibrationError: the bundle was not calibrated, or has none of that level.
            ImageError: an image cannot be read; the message has its index and the reason.
            TextError: something is not a string, or is too long; the message has its index.
            ValueError: the two differ in number, or the prior is no share.
        """
        columns = PairColumns(left=images, right=texts, kind="image-text")
        found, calibration = self._matching(
            columns, prior, level, on_error=on_error, on_cut=on_cut, progress=progress
        )
        return dataframes.answer(images, found, _named((dataframes.MATCH,), calibration))

    def match_images(  # noqa: PLR0913  one choice each, none by place
        self,
        images: Batch[ImageLike],
        others: Batch[ImageLike],
        *,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        on_error: Literal["raise", "nan"] = "raise",
        progress: bool = False,
    ) -> dataframes.Answer:
        """Probability [B] that image i and other image i match, as near duplicates do.

        By a curve of its own, which `calibrate` fits on `ImagePairs`. Arguments, answer and errors
        are those of `match`.
        """
        columns = PairColumns(left=images, right=others, kind="image-image")
        found, calibration = self._matching(
            columns, prior, level, on_error=on_error, progress=progress
        )
        return dataframes.answer(images, found, _named((dataframes.MATCH,), calibration))

    def match_texts(  # noqa: PLR0913  one choice each, none by place
        self,
        texts: Batch[str],
        others: Batch[str],
        *,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> dataframes.Answer:
        """Probability [B] that text i and other text i match, as paraphrases do.

        By a curve of its own, which `calibrate` fits on `TextPairs`. Arguments, answer and errors
        are those of `match`.
        """
        columns = PairColumns(left=texts, right=others, kind="text-text")
        found, calibration = self._matching(columns, prior, level, on_cut=on_cut, progress=progress)
        return dataframes.answer(texts, found, _named((dataframes.MATCH,), calibration))

    def probabilities(
        self,
        images: F32,
        texts: F32,
        *,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        pairs: PairKind = "image-text",
    ) -> NDArray[np.float32]:
        """Match probabilities [Q, N] of every one of Q embeddings with every one of N.

        Computed where the towers run. A row of NaN gives NaN. Either side may be the images.

        Args:
            images: unit rows [Q, D].
            texts: unit rows [N, D].
            prior: share of matching pairs expected; the calibration's own by default.
            level: as for `match`.
            pairs: kind of the pairs: rows do not tell what they are of. Images with images are
                "image-image", and have a curve of their own.

        Raises:
            CalibrationError: the bundle was not calibrated, or has no curve of that level or for
                such pairs.
            ValueError: the rows are not floats of width D and length 1, or the prior is no share.
        """
        calibration = self._calibration(level, prior, pairs)
        return self._matcher.of_all(images, texts, calibration, prior=prior)

    def probabilities_on_device(
        self,
        images: F32 | OnDevice,
        texts: F32 | OnDevice,
        *,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        pairs: PairKind = "image-text",
    ) -> OnDevice:
        """As `probabilities`, but the matrix [Q, N] stays in the memory of the device.

        The embeddings may lie there already.

        Raises:
            CalibrationError: as of `probabilities`, or the curve is not of Platt scaling.
            ValueError: the rows are not floats of width D, those in the memory of the CPU not of
                length 1, or the prior is no share.
        """
        calibration = self._calibration(level, prior, pairs)
        return self._matcher.of_all_on_device(images, texts, calibration, prior=prior)

    def predict_proba(  # noqa: PLR0913  one choice each, none by place
        self,
        pairs: dataframes.Table,
        *,
        image: str | None = None,
        text: str | None = None,
        query: str | None = None,
        response: str | None = None,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        on_error: Literal["raise", "nan"] = "raise",
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> dataframes.Answer:
        """Probabilities [B, 2] that a pair does not match and that it does.

        Of a pandas, polars or pyarrow table comes one with the columns "no match" and "match",
        pandas' with its index; of a dict of columns a float32 array. An assumed level is told by
        the columns: "match (assumed)".

        Args:
            pairs: columns by name.
            image: name of the column of images, "image" by default.
            text: name of the column of texts, "text" by default.
            query: name of one column, whichever its modality, in place of these two words.
            response: name of the other. Two columns of images, or of texts, need a curve of their
                own.
            prior: share of matching pairs expected; the calibration's own by default.
            level: as for `match`.
            on_error: as for `embed_images`; an unreadable image has probabilities of NaN.
            on_cut: as for `embed_texts`.
            progress: show a bar on stderr.

        Raises:
            CalibrationError: the bundle was not calibrated, or has no curve of that level or for
                such pairs.
            ImageError: an image cannot be read; the message has its index and the reason.
            TextError: something is not a string, or is too long; the message has its index.
            ValueError: a column is missing, the two differ in length, or the prior is no share.
        """
        columns = pair_columns(pairs, image=image, text=text, query=query, response=response)
        matching, calibration = self._matching(
            columns, prior, level, on_error=on_error, on_cut=on_cut, progress=progress
        )
        both = np.stack([1 - matching, matching], axis=1)
        return dataframes.answer(pairs, both, _named(dataframes.PROBABILITIES, calibration))

    def predict(  # noqa: PLR0913  one choice each, none by place
        self,
        pairs: dataframes.Table,
        *,
        image: str | None = None,
        text: str | None = None,
        query: str | None = None,
        response: str | None = None,
        threshold: float = 0.5,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        on_error: Literal["raise", "nan"] = "raise",
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> dataframes.Answer:
        """1 [B] for every pair that matches with at least the threshold's probability, else 0.

        Of a pandas, polars or pyarrow table comes a column of it, pandas' with its index. Arguments
        and errors are those of `predict_proba`.

        Args:
            pairs: columns by name.
            image: name of the column of images.
            text: name of the column of texts.
            query: name of one column, whichever its modality.
            response: name of the other.
            threshold: the probability from which on a pair is said to match. For a precision or
                a recall, `model.calibration.threshold(precision=0.95)`.
            prior: share of matching pairs expected; the calibration's own by default.
            level: as for `match`.
            on_error: as for `embed_images`; with "nan" the answers are float32, and that of an
                unreadable image is NaN.
            on_cut: as for `embed_texts`.
            progress: show a bar on stderr.
        """
        check_share("threshold", threshold)
        columns = pair_columns(pairs, image=image, text=text, query=query, response=response)
        matching, calibration = self._matching(
            columns, prior, level, on_error=on_error, on_cut=on_cut, progress=progress
        )
        decided: dataframes.Numbers = (matching >= threshold).astype(np.int64)
        if on_error == "nan":
            decided = np.where(np.isnan(matching), np.float32(np.nan), decided.astype(np.float32))
        return dataframes.answer(pairs, decided, _named((dataframes.MATCH,), calibration))

    def _matching(  # noqa: PLR0913  one choice each, none by place
        self,
        columns: PairColumns,
        prior: float | None,
        level: CalibrationLevel | None,
        *,
        on_error: Literal["raise", "nan"] = "raise",
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> tuple[F32, Calibration]:
        """Return the probabilities [B] that the pairs of two columns match, and their curve."""
        require_no_skip(on_error)
        calibration = self._calibration(level, prior, columns.kind)
        left, right = self._pair_rows(columns, on_error=on_error, on_cut=on_cut, progress=progress)
        if len(left) != len(right):
            raise ValueError(f"{len(left)} and {len(right)} others are not pairs")
        return self._matcher.of_pairs(left, right, calibration, prior=prior), calibration

    def _calibration(
        self,
        level: CalibrationLevel | None,
        prior: float | None,
        pairs: PairKind = "image-text",
    ) -> Calibration:
        """Return the curve; it and the prior are refused before anything is computed."""
        calibration = self.calibration_for(level=level, pairs=pairs)
        calibration.shift(prior)
        return calibration

    def _pair_rows(
        self,
        columns: PairColumns,
        *,
        on_error: Literal["raise", "nan"],
        on_cut: OnCut,
        progress: bool,
    ) -> tuple[F32, F32]:
        """Return the rows of both columns."""
        left, right = columns.left, columns.right
        if columns.kind == "image-text":
            texts = [*dataframes.several(right, "texts")]
            _require_strings(texts)
            drawn = self._encoders.drawn(left)
            return self._encoders.pair_rows(
                drawn, texts, on_error=on_error, on_cut=on_cut, progress=progress
            )
        if columns.kind == "image-image":
            return (
                self.embed_images(left, on_error=on_error, progress=progress),
                self.embed_images(right, on_error=on_error, progress=progress),
            )
        return (
            self.embed_texts(left, on_cut=on_cut, progress=progress),
            self.embed_texts(right, on_cut=on_cut, progress=progress),
        )


def _named(names: Sequence[str], calibration: Calibration) -> tuple[str, ...]:
    """Return the names of columns of probabilities; an assumed level is part of them."""
    if calibration.level != "assumed":
        return tuple(names)
    return tuple(f"{name} (assumed)" for name in names)


def _require_strings(texts: Sequence[object]) -> None:
    """Refuse images in the place of texts, whose curve is another one.

    Raises:
        TextError: the first text is an object that may be an image.
    """
    if texts and not isinstance(texts[0], str) and not dataframes.is_missing(texts[0]):
        raise TextError(
            f"text 0 is a {type(texts[0]).__name__}, not a string; pairs of two images have a "
            "curve of their own: match_images"
        )
