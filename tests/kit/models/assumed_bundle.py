"""The demo bundle as a fresh export of it would be: uncalibrated, with an assumed curve."""

import dataclasses
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import open_bundle, write_manifest
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import PlattCurve

CURVE: Final = PlattCurve(scale=34.0, bias=-2.1)


def assume(folder: Path) -> Path:
    """Write an assumed curve for every precision in the place of its calibration."""
    manifest = open_bundle(folder).manifest
    assumed = tuple(
        Calibration(
            curve=CURVE,
            prior=0.5,
            level="assumed",
            fitted_on="no pairs",
            matching=0,
            others=0,
            negatives="random",
            towers=towers.calibrated_for(),
        )
        for towers in manifest.towers.values()
    )
    changed = dataclasses.replace(manifest, calibrations={}, further_calibrations=assumed)
    write_manifest(folder, changed)
    return folder
