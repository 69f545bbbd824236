"""Calibration of a bundle: fits on pairs, written into its manifest."""

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import MANIFEST, Bundle, open_bundle, write_manifest
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Precision
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.fit import embed_pairs, fit_embedded
from twinlens.datasets.pairs import Pairs
from twinlens.images.pixel_options import PixelOptions
from twinlens.loading import DEMO, folder_of
from twinlens.model.model import Model
from twinlens.model.model_options import ModelOptions
from twinlens.ort.device import CPU
from twinlens.ort.device_choice import resolve

_DEFAULT_OPTIONS: Final = CalibrationOptions()


def calibrate(
    bundle: str | os.PathLike[str],
    pairs: Pairs,
    *,
    options: CalibrationOptions = _DEFAULT_OPTIONS,
    pixels: PixelMode = "exact",
    out: str | os.PathLike[str] | None = None,
) -> dict[Precision, Calibration]:
    """Fit a calibration for every precision of a bundle, write them into its manifest, return them.

    Pairs with labels are fitted as labelled; without labels all of them match, and the negatives
    are each image with the texts of the other pairs. Unreadable images and repeated pairs are left
    out. The figures of each calibration are measured on images held out of its fit.

        pairs = twinlens.read_pairs("pairs.csv")
        twinlens.calibrate("my-bundle", pairs, options=CalibrationOptions(prior=0.1))

    Args:
        bundle: the folder that twinlens-export wrote, or "demo".
        pairs: images and texts, with labels or all of them matching.
        options: the prior, the method and the negatives.
        pixels: preprocessing of the images. A model loaded with another mode refuses the
            calibration.
        out: a new folder for a calibrated copy; by default the bundle itself is changed.

    Raises:
        BundleError: the folder is not a complete, unchanged bundle.
        CalibrationError: the method needs labels, but the pairs have none.
        ValueError: there are too few pairs, or matching ones are no closer than others; or the
            bundle is "demo" and `out` is missing: files of the package are not changed.
        FileExistsError: `out` exists.
    """
    return calibrate_bundle(bundle, pairs, options=options, pixels=pixels, out=out).calibrations


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedBundle:
    """Calibrations that were written into a manifest."""

    calibrations: dict[Precision, Calibration]
    lost: int
    """Number of images that cannot be read."""


def calibrate_bundle(
    bundle: str | os.PathLike[str],
    pairs: Pairs,
    *,
    options: CalibrationOptions,
    pixels: PixelMode,
    out: str | os.PathLike[str] | None,
) -> FittedBundle:
    """Do as `calibrate`, with its arguments and errors; return their count of lost images too."""
    _check_out(bundle, out)
    source = open_bundle(folder_of(bundle))
    source.manifest.require("image", "text")
    calibrations: dict[Precision, Calibration] = {}
    lost = 0
    for precision in source.manifest.towers:
        model = _uncalibrated(source, precision, pixels)
        embedded = embed_pairs(model, pairs)
        calibrations[precision] = fit_embedded(model, embedded, options=options)
        # An unreadable image is tried once, and said once.
        pairs = embedded.pairs
        lost += embedded.lost
    _write(source, calibrations, None if out is None else Path(out))
    return FittedBundle(calibrations=calibrations, lost=lost)


def _check_out(bundle: str | os.PathLike[str], out: str | os.PathLike[str] | None) -> None:
    if out is None and os.fspath(bundle) == DEMO:
        raise ValueError("the demo lies inside the package; name a folder for a calibrated copy")
    if out is not None and Path(out).exists():
        raise FileExistsError(f"{out} exists; name a new folder")


def _write(bundle: Bundle, fitted: dict[Precision, Calibration], out: Path | None) -> None:
    """Write the manifest with the fitted calibrations, into the bundle or into a copy of it."""
    calibrations = {**bundle.manifest.calibrations, **fitted}
    folder = bundle.folder
    if out is not None:
        folder = out
        shutil.copytree(bundle.folder, folder, ignore=shutil.ignore_patterns(MANIFEST))
    write_manifest(folder, dataclasses.replace(bundle.manifest, calibrations=calibrations))


def _uncalibrated(bundle: Bundle, precision: Precision, pixels: PixelMode) -> Model:
    """Open the model without its calibration, which may be one for other towers."""
    towers = bundle.manifest.towers[precision]
    manifest = dataclasses.replace(bundle.manifest, calibrations={})
    options = ModelOptions(
        device=CPU if towers.device == "cpu" else resolve("auto"),
        precision=precision,
        pixels=PixelOptions(mode=pixels),
    )
    return Model(dataclasses.replace(bundle, manifest=manifest), options)
