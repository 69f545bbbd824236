"""Matcher: cosines of two towers as match probabilities."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.bundle import choose_calibration
from twinlens.bundle.calibration import Calibration, CalibrationLevel, PairKind
from twinlens.bundle.manifest import Manifest
from twinlens.bundle.specs import Modality
from twinlens.errors import CalibrationError, ClosedError, MissingTowerError, quoted
from twinlens.forks import ForkedLock
from twinlens.model.match_matrix import MatchMatrix
from twinlens.model.model_options import ModelOptions
from twinlens.model.unit_rows import read_rows_anywhere, read_unit_rows
from twinlens.ort.io_binding import OnDevice

F32 = NDArray[np.float32]

_MODALITIES_OF: Final[Mapping[PairKind, tuple[Modality, ...]]] = {
    "image-text": ("image", "text"),
    "image-image": ("image",),
    "text-text": ("text",),
}


class Matcher:
    """Calibrations of two towers, applied where these run."""

    def __init__(
        self,
        calibrations: Sequence[Calibration],
        *,
        manifest: Manifest,
        options: ModelOptions,
        threads: int,
    ) -> None:
        self._calibrations, self._manifest = calibrations, manifest
        self._source, self._width = manifest.source.name, manifest.width
        self._options, self._threads = options, threads
        self._opened: MatchMatrix | None = None
        self._closed = False
        self._opening = ForkedLock()

    @property
    def level(self) -> CalibrationLevel | Literal["none"]:
        """Level of the calibration; "none" if there is none for these pixels."""
        try:
            return self.calibration().level
        except (CalibrationError, MissingTowerError):
            return "none"

    def calibration(
        self, *, level: CalibrationLevel | None = None, pairs: PairKind = "image-text"
    ) -> Calibration:
        """Return the calibration of such pairs.

        Args:
            level: level wanted; by default that of the options, or any but "assumed".
            pairs: kind of the pairs.

        Raises:
            CalibrationError: the bundle has none for this precision and these pixels, or none of
                that level.
            MissingTowerError: it lacks a tower of such pairs.
            ValueError: there is no such level, or no such kind of pairs.
        """
        _require_known(level, pairs)
        self._manifest.require(*_MODALITIES_OF[pairs])
        wanted = level or self._options.level
        found = choose_calibration(self._calibrations, pairs=pairs, level=wanted)
        if found is None:
            raise CalibrationError(self._missing(wanted, pairs))
        found.require_pixels(self._options.pixels.mode)
        return found

    def _missing(self, level: CalibrationLevel | None, pairs: PairKind) -> str:
        """Return the message for a calibration that is not there."""
        bundle = quoted(self._source)
        if pairs != "image-text":
            option = "--images2" if pairs == "image-image" else "--texts2"
            return (
                f"{bundle} has no curve for {pairs} pairs, and that of image-text pairs is not "
                "theirs: rank by cosine, or fit one on pairs of yours: "
                f"twinlens calibrate BUNDLE pairs.csv {option} COLUMN"
            )
        if level is not None:
            has = ", ".join(dict.fromkeys(one.level for one in self._calibrations)) or "none"
            return (
                f"{bundle} has no calibration of level {level} for {self._options.precision}, but "
                f"{has}; export the checkpoint again, or fit it on pairs: "
                "twinlens calibrate BUNDLE pairs.csv"
            )
        assumed = choose_calibration(self._calibrations, pairs=pairs, level="assumed")
        other = "rank by cosine"
        if assumed is not None:
            other = "take a curve that nobody has checked on your data: level='assumed'"
        return (
            f"{bundle} has no calibration for {self._options.precision}: fit it on pairs of yours: "
            f"twinlens calibrate BUNDLE pairs.csv; or {other}"
        )

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
            self.of_all(row, row, self.calibration(), prior=None)

    def close(self) -> None:
        """Give the memory back, and refuse later calls."""
        self._closed = True
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def of_pairs(
        self, left: F32, right: F32, calibration: Calibration, *, prior: float | None
    ) -> F32:
        """Probability [B] that row i of unit rows [B, D] matches row i of the others."""
        cosines = np.einsum("bd,bd->b", left, right)
        return calibration.probability(cosines, prior=prior)

    def of_all(
        self, images: F32, texts: F32, calibration: Calibration, *, prior: float | None
    ) -> F32:
        """Probabilities [Q, N] of every one of unit rows [Q, D] with every one of [N, D].

        Raises:
            ValueError: the rows are no unit rows of width D, or the prior is no share.
        """
        calibration.shift(prior)  # refused before anything is computed
        left = read_unit_rows(images, name="images", width=self._width)
        right = read_unit_rows(texts, name="texts", width=self._width)
        return self._matrix.run(calibration, left, right, prior=prior)

    def of_all_on_device(
        self,
        images: F32 | OnDevice,
        texts: F32 | OnDevice,
        calibration: Calibration,
        *,
        prior: float | None,
    ) -> OnDevice:
        """Probabilities [Q, N] as of `of_all`, in the memory of the device.

        Raises:
            CalibrationError: the calibration is not Platt scaling.
            ValueError: rows in the memory of the CPU are no unit rows, rows are not of width D, or
                the prior is no share.
        """
        calibration.shift(prior)
        left = read_rows_anywhere(images, name="images", width=self._width)
        right = read_rows_anywhere(texts, name="texts", width=self._width)
        return self._matrix.run_on_device(calibration, left, right, prior=prior)


def _require_known(level: str | None, pairs: str) -> None:
    for name, value, known in (
        ("level", level, get_args(CalibrationLevel)),
        ("pairs", pairs, get_args(PairKind)),
    ):
        if value is not None and value not in known:
            raise ValueError(f"{name} is {quoted(repr(value))}, not one of {', '.join(known)}")
