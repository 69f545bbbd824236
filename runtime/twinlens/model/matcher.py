"""Matcher: cosines of two towers as match probabilities."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, CalibrationLevel
from twinlens.bundle.manifest import Manifest
from twinlens.bundle.specs import MODALITIES
from twinlens.errors import CalibrationError, ClosedError, quoted
from twinlens.forks import ForkedLock
from twinlens.model.match_matrix import MatchMatrix
from twinlens.model.model_options import ModelOptions
from twinlens.model.unit_rows import read_rows_anywhere, read_unit_rows
from twinlens.ort.io_binding import OnDevice

F32 = NDArray[np.float32]


class Matcher:
    """Calibration of two towers, if there is one for these pixels, applied where they run."""

    def __init__(
        self,
        fitted: Calibration | None,
        *,
        manifest: Manifest,
        options: ModelOptions,
        threads: int,
    ) -> None:
        self._fitted, self._manifest = fitted, manifest
        self._source, self._width = manifest.source.name, manifest.width
        self._options, self._threads = options, threads
        self._opened: MatchMatrix | None = None
        self._closed = False
        self._opening = ForkedLock()

    @property
    def level(self) -> CalibrationLevel | Literal["none"]:
        """Level of the calibration; "none" if there is none for these pixels."""
        fitted = self._fitted
        return (
            "none" if fitted is None or fitted.pixels != self._options.pixels.mode else fitted.level
        )

    @property
    def calibration(self) -> Calibration:
        """Calibration of the towers.

        Raises:
            CalibrationError: the bundle has none for this precision and these pixels.
            MissingTowerError: it has one tower alone.
        """
        self._manifest.require(*MODALITIES)
        if self._fitted is None:
            raise CalibrationError(
                f"{quoted(self._source)} has no calibration for {self._options.precision}: "
                "a cosine alone says nothing of the odds; rank by cosine, or calibrate the bundle "
                "on pairs: twinlens calibrate BUNDLE pairs.csv"
            )
        self._fitted.require_pixels(self._options.pixels.mode)
        return self._fitted

    @property
    def _matrix(self) -> MatchMatrix:
        """Opened at first use: it has threads of its own, and few callers need it.

        Raises:
            ClosedError: the model was closed.
        """
        with self._opening:
            if self._opened is None and not self._closed:
                self._opened = MatchMatrix(
                    device=self._options.device,
                    threads=self._threads,
                    spinning=self._options.spinning,
                )
            opened = self._opened
        if self._closed or opened is None:
            self.close()
            raise ClosedError(f"the model of {quoted(self._source)} was closed; load it again")
        return opened

    def warm_up(self) -> None:
        """Compute one probability, if there is a calibration."""
        if self.level != "none":
            row = np.eye(1, self._width, dtype=np.float32)
            self.of_all(row, row, prior=None)

    def close(self) -> None:
        """Give the memory back, and refuse later calls."""
        self._closed = True
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def of_pairs(self, images: F32, texts: F32, *, prior: float | None) -> F32:
        """Probability [B] that row i of unit rows [B, D] matches row i of the others.

        Raises:
            CalibrationError: the bundle was not calibrated.
        """
        cosines = np.einsum("bd,bd->b", images, texts)
        return self.calibration.probability(cosines, prior=prior)

    def of_all(self, images: F32, texts: F32, *, prior: float | None) -> F32:
        """Probabilities [Q, N] of every one of unit rows [Q, D] with every one of [N, D].

        Raises:
            CalibrationError: the bundle was not calibrated.
            ValueError: the rows are no unit rows of width D, or the prior is no share.
        """
        calibration = self.calibration
        calibration.shift(prior)  # refused before anything is computed
        left = read_unit_rows(images, name="images", width=self._width)
        right = read_unit_rows(texts, name="texts", width=self._width)
        return self._matrix.run(calibration, left, right, prior=prior)

    def of_all_on_device(
        self, images: F32 | OnDevice, texts: F32 | OnDevice, *, prior: float | None
    ) -> OnDevice:
        """Probabilities [Q, N] as of `of_all`, in the memory of the device.

        Raises:
            CalibrationError: the bundle was not calibrated, or not by Platt scaling.
            ValueError: rows in the memory of the CPU are no unit rows, rows are not of width D, or
                the prior is no share.
        """
        calibration = self.calibration
        calibration.shift(prior)
        left = read_rows_anywhere(images, name="images", width=self._width)
        right = read_rows_anywhere(texts, name="texts", width=self._width)
        return self._matrix.run_on_device(calibration, left, right, prior=prior)
