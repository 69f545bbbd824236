"""The renewal of the released bundle: its small files and descriptions anew, its towers kept.

A new export would compute slightly other rows, for which calibration and figures would be anew.
"""

import dataclasses
import importlib.metadata
import shutil
import tempfile
from pathlib import Path
from typing import Final

import onnx
from onnx import helper

from twinlens.bundle.bundle import open_bundle, sha256_of, write_manifest
from twinlens.bundle.manifest import TowerFile
from twinlens.bundle.specs import Modality, Precision
from twinlens_demo.release.release import NAME
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.exporter import with_tool_files
from twinlens_export.presence import there
from twinlens_export.towers.description import description_of

MODALITIES: Final[tuple[Modality, ...]] = ("image", "text")


def renew_bundle(checkpoint: Path, bundle: Path) -> None:
    """Write the files that other tools read, and the descriptions inside the ONNX files."""
    old = open_bundle(bundle)
    with tempfile.TemporaryDirectory() as folder:
        named = shutil.copytree(checkpoint, Path(folder) / NAME)
        read = with_tool_files(read_checkpoint(str(named)))
    for name, text in read.files.items():
        (bundle / name).write_text(text, encoding="utf-8")
    towers = {
        precision: dataclasses.replace(
            pair,
            image=_described(bundle, there(pair.image), read, "image", precision),
            text=_described(bundle, there(pair.text), read, "text", precision),
        )
        for precision, pair in old.manifest.towers.items()
    }
    calibrations = {
        precision: dataclasses.replace(one, towers=towers[precision].calibrated_for())
        for precision, one in old.manifest.calibrations.items()
    }
    renewed = dataclasses.replace(
        old.manifest,
        towers=towers,
        calibrations=calibrations,
        files={name: sha256_of(bundle / name) for name in sorted(read.files)},
    )
    write_manifest(bundle, renewed)


def _described(
    bundle: Path, tower: TowerFile, checkpoint: Checkpoint, modality: Modality, precision: Precision
) -> TowerFile:
    path = bundle / tower.file
    model = onnx.load(path)
    model.doc_string, properties = description_of(checkpoint, modality, precision)
    model.producer_version = importlib.metadata.version("twinlens")
    helper.set_model_props(model, properties)
    onnx.save_model(model, path)
    return dataclasses.replace(tower, sha256=sha256_of(path), bytes=path.stat().st_size)
