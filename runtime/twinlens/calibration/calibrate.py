"""Calibration of a bundle: fits on pairs, written into its manifest."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from twinlens.bundle.bundle import MANIFEST, Bundle, open_bundle, write_manifest
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.manifest import Manifest
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Precision
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.fit import embed_pairs, fit_embedded
from twinlens.dataframes import Table
from twinlens.datasets.read_pairs import as_pairs
from twinlens.datasets.same_pairs import AnyPairs, ImagePairs, TextPairs
from twinlens.images.pixel_options import PixelOptions
from twinlens.loading import DEMO, folder_of
from twinlens.model.model import Model
from twinlens.model.model_options import ModelOptions
from twinlens.ort.device import CPU
from twinlens.ort.device_choice import resolve
from twinlens.texts.tokenizer import OnCut

_DEFAULT_OPTIONS: Final = CalibrationOptions()


def calibrate(  # noqa: PLR0913  one choice each, none by place
    bundle: str | os.PathLike[str],
    pairs: AnyPairs | Table,
    *,
    options: CalibrationOptions = _DEFAULT_OPTIONS,
    pixels: PixelMode = "exact",
    out: str | os.PathLike[str] | None = None,
    on_error: Literal["raise", "skip"] = "skip",
    on_cut: OnCut = "warn",
    progress: bool = False,
) -> dict[Precision, Calibration]:
    """Fit a calibration for every precision of a bundle, write them into its manifest, return them.

    Pairs with labels are fitted as labelled; without labels all of them match, and the negatives
    are each image with the texts of the other pairs. Repeated pairs are left out. The figures of
    each calibration are measured on images held out of its fit.

        pairs = twinlens.read_pairs("pairs.csv")
        twinlens.calibrate("my-bundle", pairs, options=CalibrationOptions(prior=0.1))

    Pairs of two images, or of two texts, are far closer than an image and its text: `ImagePairs`
    and `TextPairs` fit a curve of their own, which `Model.match_images` and `match_texts` take.

    Args:
        bundle: the folder that twinlens-export wrote, or "demo".
        pairs: images and texts, with labels or all of them matching; or a DataFrame of them, as
            `read_pairs` reads it.
        options: the prior, the method and the negatives.
        pixels: preprocessing of the images. A model loaded with another mode refuses the
            calibration.
        out: a new folder for a calibrated copy; by default the bundle itself is changed.
        on_error: "skip" leaves out the pairs of an unreadable image, with a warning; "raise" names
            it.
        on_cut: as for `Model.embed_texts`.
        progress: show a bar on stderr.

    Raises:
        BundleError: the folder is not a complete, unchanged bundle.
        CalibrationError: the method needs labels, but the pairs have none.
        ImageError: an image cannot be read, and on_error is "raise".
        PairsError: the pairs are none, or a row of the table is no pair.
        ValueError: there are too few pairs, or matching ones are no closer than others; or the
            bundle is "demo" and `out` is missing: files of the package are not changed.
        FileExistsError: `out` exists.
    """
    return calibrate_bundle(
        bundle,
        pairs if isinstance(pairs, (ImagePairs, TextPairs)) else as_pairs(pairs),
        options=options,
        pixels=pixels,
        out=out,
        on_error=on_error,
        on_cut=on_cut,
        progress=progress,
    ).calibrations


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedBundle:
    """Calibrations that were written into a manifest."""

    calibrations: dict[Precision, Calibration]
    lost: int
    """Number of images that cannot be read."""


def calibrate_bundle(  # noqa: PLR0913  those of `calibrate`
    bundle: str | os.PathLike[str],
    pairs: AnyPairs,
    *,
    options: CalibrationOptions,
    pixels: PixelMode,
    out: str | os.PathLike[str] | None,
    on_error: Literal["raise", "skip"] = "skip",
    on_cut: OnCut = "warn",
    progress: bool = False,
) -> FittedBundle:
    """Do as `calibrate`, with its arguments and errors; return their count of lost images too."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is {on_error!r}, not 'raise' or 'skip'")
    _check_out(bundle, out)
    source = open_bundle(folder_of(bundle))
    source.manifest.require("image", "text")
    calibrations: dict[Precision, Calibration] = {}
    lost = 0
    for precision in source.manifest.towers:
        model = _uncalibrated(source, precision, pixels)
        embedded = embed_pairs(model, pairs, on_error=on_error, on_cut=on_cut, progress=progress)
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
    manifest, folder = with_calibrations(bundle.manifest, fitted), bundle.folder
    if out is not None:
        folder = out
        shutil.copytree(bundle.folder, folder, ignore=shutil.ignore_patterns(MANIFEST))
    write_manifest(folder, manifest)


def with_calibrations(manifest: Manifest, fitted: Mapping[Precision, Calibration]) -> Manifest:
    """Return the manifest with fitted calibrations in the place of those before them."""
    own = {name: one for name, one in fitted.items() if one.pairs == "image-text"}
    others = [one for one in fitted.values() if one.pairs != "image-text"]
    replaced = {(one.towers, one.pairs) for one in others}
    kept = [
        one
        for one in manifest.further_calibrations
        if one.level == "assumed" or (one.towers, one.pairs) not in replaced
    ]
    return dataclasses.replace(
        manifest,
        calibrations={**manifest.calibrations, **own},
        further_calibrations=(*kept, *others),
    )


def _uncalibrated(bundle: Bundle, precision: Precision, pixels: PixelMode) -> Model:
    """Open the model without its calibration, which may be one for other towers."""
    towers = bundle.manifest.towers[precision]
    manifest = dataclasses.replace(bundle.manifest, calibrations={}, further_calibrations=())
    options = ModelOptions(
        device=CPU if towers.device == "cpu" else resolve("auto"),
        precision=precision,
        pixels=PixelOptions(mode=pixels),
    )
    return Model(dataclasses.replace(bundle, manifest=manifest), options)
