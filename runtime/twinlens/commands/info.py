"""twinlens info: contents of a bundle, an index or a folder of embeddings, each file checked."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from twinlens import dataclass_json
from twinlens.bundle.bundle import MANIFEST, open_bundle
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.manifest import Manifest, TowerFile
from twinlens.commands.info_of_embeddings import info_of_embeddings
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.printing.table import Table
from twinlens.errors import amount
from twinlens.index.index import Index
from twinlens.index.storage.manifest import MANIFEST as INDEX_MANIFEST
from twinlens.loading import folder_of
from twinlens.model.zero_shot import ASSUMED_SCALE

NO_CALIBRATION: Final = (
    "no calibration: probabilities cannot be told; make one with twinlens calibrate"
)
NO_TOWER: Final = "no {} tower: the checkpoint had none"
NO_SCALE: Final = f"no logit scale of its own: classification takes CLIP's, {ASSUMED_SCALE:g}"
ASSUMED: Final = "; or take the assumed curve, by level='assumed' or --level assumed"
HEAD: Final = (
    "precision", "tower", "MB", "worst cosine", "mean cosine", "top-1", "top-10", "kept in fp32",
)  # fmt: skip
NO_COLUMNS: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


def run(options: argparse.Namespace) -> Outcome:
    """Check every file of a bundle, an index or a folder of embeddings; return its content."""
    folder = folder_of(options.bundle)
    if (folder / MANIFEST).exists():
        return _of_bundle(folder)
    if (folder / INDEX_MANIFEST).exists():
        return _of_index(folder)
    return info_of_embeddings(folder) or _of_bundle(folder)


def _of_index(folder: Path) -> Outcome:
    """Read an index whole.

    Raises:
        IndexFileError: a file of it has changed since it was written, or is missing.
    """
    index = Index.open(folder, verify=True)
    removed = index.n_rows - len(index)
    return Outcome(
        lines=[
            f"index of {amount(len(index), 'row')} of width {index.width}, {removed} removed",
            f"keeps {index.kept}: cosines are {_precision(index)}",
            *(f"{name} {value}" for name, value in index.about.items()),
            "every file matches its hash",
        ],
        document={
            "rows": len(index),
            "removed": removed,
            "width": index.width,
            "keeps": index.kept,
            "error": index.error,
            "about": dict(index.about),
        },
    )


def _precision(index: Index) -> str:
    return f"within {1.05 * index.error:.2g}" if index.kept != "rows" else "exact"


def _of_bundle(folder: Path) -> Outcome:
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    for precision in manifest.towers:
        bundle.check(precision)
    calibrations = [
        f"calibration {precision}: p = {c.curve}, {c.level}, {_evidence(c)}, {c.pixels} pixels, "
        f"prior {c.prior:.4g}{_quality(c)}"
        for precision, c in manifest.calibrations.items()
    ]
    further = [_further(c, manifest) for c in manifest.further_calibrations]
    return Outcome(
        lines=[
            f"{manifest.source.name}, {manifest.family}, embeddings of width {manifest.width}",
            *_inputs(manifest),
            *tower_table(manifest),
            *(calibrations or _uncalibrated(manifest)),
            *further,
        ],
        document=dataclass_json.write(manifest),
    )


def _inputs(manifest: Manifest) -> list[str]:
    """Return a line for the inputs of each tower, and of each that is missing."""
    image, text = manifest.image, manifest.text
    return [
        NO_TOWER.format("image")
        if image is None
        else f"images {image.side_px} px, resized in the order of {image.passes}",
        NO_TOWER.format("text") if text is None else f"texts up to {text.context} tokens",
        *([NO_SCALE] if len(manifest.modalities) == 2 and manifest.native_scale is None else []),
    ]


def _uncalibrated(manifest: Manifest) -> list[str]:
    if len(manifest.modalities) < 2:
        return []
    has_assumed = any(c.level == "assumed" for c in manifest.further_calibrations)
    return [NO_CALIBRATION + (ASSUMED if has_assumed else "")]


def _further(calibration: Calibration, manifest: Manifest) -> str:
    """Return the line of a calibration that is assumed, or of pairs of one modality."""
    keys = {towers.calibrated_for(): name for name, towers in manifest.towers.items()}
    return (
        f"{calibration.level} calibration {keys.get(calibration.towers, 'of other towers')}, "
        f"{calibration.pairs} pairs: p = {calibration.curve}, {_evidence(calibration)}, "
        f"prior {calibration.prior:.4g}{_quality(calibration)}"
    )


def _evidence(calibration: Calibration) -> str:
    if calibration.level in ("native", "assumed"):
        return calibration.fitted_on
    return f"{amount(calibration.matching, 'matching pair')} of {calibration.fitted_on}"


def _quality(calibration: Calibration) -> str:
    figures = calibration.held_out
    if figures is None:
        return ""
    return f", held-out ECE {figures.ece:.3f} on {calibration.negatives} negatives"


def tower_table(manifest: Manifest, more: Mapping[str, Sequence[str]] = NO_COLUMNS) -> list[str]:
    """Return the lines of a table of the towers, with their agreement with the original.

    Args:
        manifest: the manifest of the bundle.
        more: further columns by their heads, one cell a tower.
    """
    table = Table(head=(*HEAD, *more), labels=2)
    kept = []
    for precision, towers in manifest.towers.items():
        for modality, tower in towers.there().items():
            further = [cells[len(table.rows)] for cells in more.values()]
            table.rows.append((precision, modality, *_figures(tower), *further))
            if tower.kept:
                kept.append(f"{precision} {modality} keeps in fp32: {', '.join(tower.kept)}")
    return [*table.lines(), *kept]


def _figures(tower: TowerFile) -> tuple[str, ...]:
    figures = tower.agreement
    return (
        f"{tower.bytes / 1e6:.1f}",
        f"{figures.worst_cosine:.6f}",
        f"{figures.mean_cosine:.6f}",
        f"{figures.top1:.3f}",
        f"{figures.top10:.3f}",
        str(len(tower.kept)) if tower.kept else "-",
    )
