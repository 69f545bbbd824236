"""The renewal of the released bundle: all of a new export but the weights and what was measured.

A new export would compute slightly other rows, for which calibration and figures would be anew.
"""

import dataclasses
import shutil
import tempfile
from pathlib import Path

import onnx

from twinlens.bundle.bundle import Bundle, open_bundle, sha256_of, write_manifest
from twinlens.bundle.manifest import TowerFile, Towers
from twinlens.errors import quoted
from twinlens_demo.release.release import write_bundle
from twinlens_export.errors import ExportError
from twinlens_export.presence import there


def renew_bundle(checkpoint: Path, bundle: Path) -> None:
    """Write small files, descriptions and the functions of operators as an export writes them now.

    Raises:
        ExportError: an export now has other nodes or arrays; release the bundle instead.
    """
    manifest = open_bundle(bundle).manifest
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(checkpoint, Path(folder) / "new")
        new = open_bundle(Path(folder) / "new")
        for name in new.manifest.files:
            shutil.copyfile(new.path(name), bundle / name)
        towers = {
            precision: _renewed_pair(bundle, pair, new)
            for precision, pair in manifest.towers.items()
        }
    keys = {
        pair.calibrated_for(): towers[precision].calibrated_for()
        for precision, pair in manifest.towers.items()
    }
    renewed = dataclasses.replace(
        manifest,
        towers=towers,
        files={name: sha256_of(bundle / name) for name in sorted(new.manifest.files)},
        calibrations={
            precision: dataclasses.replace(one, towers=keys[one.towers])
            for precision, one in manifest.calibrations.items()
        },
        further_calibrations=tuple(
            dataclasses.replace(one, towers=keys[one.towers])
            for one in manifest.further_calibrations
        ),
    )
    write_manifest(bundle, renewed)


def _renewed_pair(bundle: Path, pair: Towers, new: Bundle) -> Towers:
    return dataclasses.replace(
        pair,
        image=_renewed(bundle, there(pair.image), new),
        text=_renewed(bundle, there(pair.text), new),
    )


def _renewed(bundle: Path, tower: TowerFile, new: Bundle) -> TowerFile:
    """Give a released file all of the new one but its weights."""
    path = bundle / tower.file
    old, model = onnx.load(path), onnx.load(new.path(tower.file))
    kept = {tensor.name: tensor for tensor in old.graph.initializer}
    if list(old.graph.node) != list(model.graph.node) or kept.keys() != {
        tensor.name for tensor in model.graph.initializer
    }:
        raise ExportError(
            f"{quoted(tower.file)} has other nodes in an export of now; release the bundle anew"
        )
    for tensor in model.graph.initializer:
        tensor.CopyFrom(kept[tensor.name])
    onnx.save_model(model, path)
    return dataclasses.replace(tower, sha256=sha256_of(path), bytes=path.stat().st_size)
