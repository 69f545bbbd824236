"""The release: from the trained checkpoint to the verified, calibrated bundle in the package."""

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import open_bundle, write_manifest
from twinlens.bundle.specs import Precision
from twinlens.calibration.calibrate import calibrate as calibrate_bundle
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.datasets.pairs import Pairs
from twinlens_demo.concepts import Concept
from twinlens_demo.drawings.drawing_set import read_drawing_set
from twinlens_export import export

PRECISIONS: Final[tuple[Precision, ...]] = ("fp16", "int8")
"""Those of the repository's bundle, for the tests."""
PACKAGED: Final[Precision] = "int8"
"""The precision inside the package: fp16 is for CUDA, and 8.8 MB of a wheel that few need."""
OPTIONS: Final = CalibrationOptions(prior=0.5, fitted_on="OpenMoji drawings and their names")
NAME: Final = "twinlens emoji CLIP"
CHECKPOINT_FILES: Final = (
    "model.safetensors",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


def copy_checkpoint(trained: Path, kept: Path) -> None:
    """Copy the files of the trained checkpoint that transformers' loaders need."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in CHECKPOINT_FILES:
        shutil.copyfile(trained / name, kept / name)


def write_bundle(checkpoint: Path, bundle: Path) -> None:
    """Export both precisions, verified on the bundled drawings."""
    with tempfile.TemporaryDirectory() as folder:
        # Its files bear the name of the checkpoint's folder.
        named = shutil.copytree(checkpoint, Path(folder) / NAME)
        export(named, bundle, precisions=PRECISIONS, force=True)


def write_packaged(whole: Path, bundle: Path) -> None:
    """Write the bundle inside the package: that of the repository with one precision."""
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(whole, bundle)
    manifest = open_bundle(whole).manifest
    for name, towers in manifest.towers.items():
        if name != PACKAGED:
            for tower in towers.there().values():
                (bundle / tower.file).unlink()
    packaged = manifest.towers[PACKAGED]
    key = packaged.calibrated_for()
    write_manifest(
        bundle,
        dataclasses.replace(
            manifest,
            towers={PACKAGED: packaged},
            calibrations={PACKAGED: manifest.calibrations[PACKAGED]},
            further_calibrations=tuple(
                one for one in manifest.further_calibrations if one.towers == key
            ),
        ),
    )


def calibrate(bundle: Path, drawings: Path, concepts: Sequence[Concept]) -> None:
    """Fit each precision on the development set: pairs of neither the training nor the test."""
    calibrate_bundle(bundle, development_pairs(drawings, concepts), options=OPTIONS)
    opened = open_bundle(bundle)
    named = dataclasses.replace(opened.manifest.source, name=NAME)
    write_manifest(bundle, dataclasses.replace(opened.manifest, source=named))


def development_pairs(drawings: Path, concepts: Sequence[Concept]) -> Pairs:
    """Return the drawings of the development set with the first names of their concepts."""
    drawn = read_drawing_set(drawings, "openmoji")
    return Pairs(images=drawn.images(), texts=[concepts[row].names[0] for row in drawn.rows])
