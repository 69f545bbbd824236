"""Matrix of match probabilities, computed on the device of the towers."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import PlattCurve
from twinlens.errors import CalibrationError
from twinlens.ort.device import Device
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.session import Session
from twinlens_kernels.graphs.match_matrix import MATCH_MATRIX

F32 = NDArray[np.float32]

_OUTPUT: Final = "probabilities"


class MatchMatrix:
    """Match probabilities [Q, N] of Q and N unit rows, by one ONNX model."""

    def __init__(self, *, device: Device, threads: int, spinning: bool = False) -> None:
        self._session = Session(
            MATCH_MATRIX.content,
            device=device,
            threads=threads,
            name="the matrix of probabilities",
            spinning=spinning,
        )

    def close(self) -> None:
        """Give the memory back, and refuse later calls."""
        self._session.close()

    def run(
        self, calibration: Calibration, queries: F32, rows: F32, *, prior: float | None
    ) -> NDArray[np.float32]:
        """Return the matrix as a numpy array."""
        if isinstance(calibration.curve, PlattCurve):
            return self._session.run(
                _feeds(calibration, calibration.curve, queries, rows, prior), _OUTPUT
            )
        return calibration.probability(queries @ rows.T, prior=prior)

    def run_on_device(
        self,
        calibration: Calibration,
        queries: F32 | OnDevice,
        rows: F32 | OnDevice,
        *,
        prior: float | None,
    ) -> OnDevice:
        """Return the matrix in device memory; the rows may be there already.

        Raises:
            CalibrationError: the calibration is not a line.
        """
        if not isinstance(calibration.curve, PlattCurve):
            raise CalibrationError(
                f"a calibration of kind {calibration.curve.kind} is computed on the CPU; "
                "ask for `probabilities`, or calibrate with method='platt'"
            )
        return self._session.run_on_device(
            {
                "queries": _floats(queries),
                "rows": _floats(rows),
                **_line(calibration, calibration.curve, prior),
            },
            _OUTPUT,
        )


def _feeds(
    calibration: Calibration, line: PlattCurve, queries: F32, rows: F32, prior: float | None
) -> dict[str, NDArray[np.float32]]:
    return {
        "queries": np.asarray(queries, dtype=np.float32),
        "rows": np.asarray(rows, dtype=np.float32),
        **_line(calibration, line, prior),
    }


def _line(
    calibration: Calibration, line: PlattCurve, prior: float | None
) -> dict[str, NDArray[np.float32]]:
    bias = line.bias + calibration.shift(prior)
    return {
        "scale": np.array([line.scale], dtype=np.float32),
        "bias": np.array([bias], dtype=np.float32),
    }


def _floats(rows: F32 | OnDevice) -> F32 | OnDevice:
    return rows if isinstance(rows, OnDevice) else np.asarray(rows, dtype=np.float32)
