"""The agreement of one checkpoint: saved, exported in every precision, and compared."""

import gc
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from twinlens.bundle.manifest import Manifest
from twinlens.bundle.specs import PRECISIONS, Modality
from twinlens.demo.samples import bundled_drawings
from twinlens_export import SampleFiles, export
from twinlens_export.errors import AgreementError

PACKAGES: Final = ("torch", "transformers", "onnxruntime")
SAMPLES: Final = 12
"""Number of drawings and captions: two thirds are compared, the others calibrate int8."""


def measured(
    name: str, save: Callable[[Path], None], only: Modality | None = None
) -> tuple[Manifest, dict[str, str]]:
    """Export a checkpoint; return its manifest, and the messages of the precisions refused.

    Args:
        only: the one tower that the checkpoint has.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "checkpoint"
        folder.mkdir()
        torch.manual_seed(zlib.crc32(name.encode()))  # else one shape is one model
        save(folder)
        gc.collect()
        given = samples(Path(work))
        given = SampleFiles(
            images=None if only == "text" else given.images,
            texts=None if only == "image" else given.texts,
        )
        return exported(folder, Path(work), given)


def samples(folder: Path) -> SampleFiles:
    """Write a few drawings and captions: random towers tell no more of many."""
    (folder / "pictures").mkdir()
    drawings = bundled_drawings()[:SAMPLES]
    for drawing in drawings:
        (folder / "pictures" / drawing.path.name).write_bytes(drawing.path.read_bytes())
    (folder / "texts.txt").write_text("\n".join(drawing.caption for drawing in drawings))
    return SampleFiles(images=folder / "pictures", texts=folder / "texts.txt")


def row(manifest: Manifest) -> dict[str, Any]:
    return {
        precision: {
            side: {
                "worst_cosine": round(tower.agreement.worst_cosine, 7),
                "mean_cosine": round(tower.agreement.mean_cosine, 7),
                "samples": tower.agreement.samples,
                "MB": round(tower.bytes / 1e6, 1),
                "kept_in_float32": list(tower.kept),
            }
            for side, tower in towers.there().items()
        }
        for precision, towers in manifest.towers.items()
    }


def exported(folder: Path, work: Path, given: SampleFiles) -> tuple[Manifest, dict[str, str]]:
    """Export in every precision that the gate lets pass; return the messages of the others."""
    refused: dict[str, str] = {}
    while True:
        left = [precision for precision in PRECISIONS if precision not in refused]
        try:
            return export(folder, work / "bundle", precisions=left, samples=given).manifest, refused
        except AgreementError as error:
            found = [one for one in left if f" tower in {one} is not written" in str(error)]
            if not found:
                raise
            refused[found[0]] = str(error)
