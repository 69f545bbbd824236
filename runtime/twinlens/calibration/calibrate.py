"""Calibrating: from pairs to the calibrations of a bundle."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import MANIFEST, Bundle, open_bundle, write_manifest
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Precision
from twinlens.calibration.fit import CalibrationOptions, fit_calibration
from twinlens.datasets.pairs import Pairs
from twinlens.images.pixel_options import PixelOptions
from twinlens.loading import DEMO, folder_of
from twinlens.model.model import Model
from twinlens.ort.device import CPU
from twinlens.ort.session import resolve
from twinlens.threads import usable_threads

_BY_DEFAULT: Final = CalibrationOptions()


def calibrate(
    bundle: str | os.PathLike[str],
    pairs: Pairs,
    *,
    recipe: CalibrationOptions = _BY_DEFAULT,
    pixels: PixelMode = "exact",
    out: str | os.PathLike[str] | None = None,
) -> dict[Precision, Calibration]:
    """Fit a calibration for every precision of a bundle, and write them into its manifest.

    With labels, matching pairs are told from the others given; without, from the pairs of each
    image with the texts of the others. Pictures that cannot be read and repeated pairs are left
    out. The figures that each calibration bears are those of pairs it was not fitted on.

    Args:
        bundle: the folder that twinlens-export wrote, or "demo".
        pairs: images and texts, with labels or all of them matching.
        recipe: the prior, the method and the negatives.
        pixels: how the images become pixels. A model that is loaded with others refuses what was
            fitted on these.
        out: a new folder for a calibrated copy; by default the bundle itself is changed.

    Raises:
        BundleError: the folder is not a whole, unchanged bundle.
        CalibrationError: the recipe needs labels that the pairs lack.
        ValueError: there are too few pairs, or matching ones are no closer than others; or the
            bundle is "demo" without an `out`, and the package is not to be changed.
        FileExistsError: `out` exists.
    """
    if out is None and os.fspath(bundle) == DEMO:
        raise ValueError("the demo lies inside the package; name a folder for a calibrated copy")
    if out is not None and Path(out).exists():
        raise FileExistsError(f"{out} exists; name a new folder")
    opened = open_bundle(folder_of(bundle))
    fitted = {
        precision: fit_calibration(_uncalibrated(opened, precision, pixels), pairs, recipe=recipe)
        for precision in opened.manifest.towers
    }
    manifest = dataclasses.replace(
        opened.manifest, calibrations={**opened.manifest.calibrations, **fitted}
    )
    folder = opened.folder
    if out is not None:
        folder = Path(out)
        shutil.copytree(opened.folder, folder, ignore=shutil.ignore_patterns(MANIFEST))
    write_manifest(folder, manifest)
    return fitted


def _uncalibrated(bundle: Bundle, precision: Precision, pixels: PixelMode) -> Model:
    """The model without its calibration, which may be one for other towers."""
    towers = bundle.manifest.towers[precision]
    manifest = dataclasses.replace(bundle.manifest, calibrations={})
    return Model(
        dataclasses.replace(bundle, manifest=manifest),
        device=CPU if towers.device == "cpu" else resolve("auto"),
        precision=precision,
        threads=usable_threads(),
        pixels=PixelOptions(mode=pixels),
    )
