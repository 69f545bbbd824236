"""The agreement of one checkpoint: saved, exported in every precision, and compared."""

import gc
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

import twinlens
from twinlens.bundle.manifest import Manifest
from twinlens.bundle.specs import PRECISIONS, Modality
from twinlens.demo.samples import bundled_drawings
from twinlens_export import SampleFiles, export
from twinlens_export.errors import AgreementError
from twinlens_export.verification import verify

PACKAGES: Final = ("torch", "transformers", "onnxruntime")
SAMPLES: Final = 12
"""Number of drawings and captions: two thirds are compared, the others calibrate int8."""
ALIKE: Final = 0.999
"""Above it, the cosine of the two least alike samples leaves nothing to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Figures of the export of one checkpoint.

    Attributes:
        manifest: of the bundle.
        refused: the messages of the precisions that the gate refused.
        least_alike: of each tower, the cosine of its two least alike rows: a tower that gives
            one row for all agrees with anything.
    """

    manifest: Manifest
    refused: dict[str, str]
    least_alike: dict[Modality, float]


def measured(name: str, save: Callable[[Path], None], only: Modality | None = None) -> Measured:
    """Export a checkpoint in every precision that the gate lets pass.

    Args:
        only: the one tower that the checkpoint has.

    Raises:
        ValueError: all rows of a tower are nearly one.
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
        manifest, refused = exported(folder, Path(work), given)
        spread = least_alike(Path(work) / "bundle", given)
    for modality, cosine in spread.items():
        if cosine > ALIKE:
            raise ValueError(
                f"{name}: the {modality} rows are nearly one (the two least alike have a cosine "
                f"of {cosine:.6f}), so no agreement tells anything; wanted at most {ALIKE}; "
                "give its weights a wider range"
            )
    return Measured(manifest=manifest, refused=refused, least_alike=spread)


def least_alike(bundle: Path, given: SampleFiles) -> dict[Modality, float]:
    """Return the cosine of the two least alike samples, tower by tower, in float32."""
    found: dict[Modality, float] = {}
    with twinlens.load(bundle, precision="fp32", device="cpu") as model:
        if given.images is not None:
            rows = model.embed_images(sorted(given.images.iterdir()))
            found["image"] = round(verify.least_alike(rows), 6)
        if given.texts is not None:
            rows = model.embed_texts(given.texts.read_text(encoding="utf-8").splitlines())
            found["text"] = round(verify.least_alike(rows), 6)
    return found


def samples(folder: Path) -> SampleFiles:
    """Write a few drawings and captions: random towers tell no more of many."""
    (folder / "pictures").mkdir()
    drawings = bundled_drawings()[:SAMPLES]
    for drawing in drawings:
        (folder / "pictures" / drawing.path.name).write_bytes(drawing.path.read_bytes())
    (folder / "texts.txt").write_text("\n".join(drawing.caption for drawing in drawings))
    return SampleFiles(images=folder / "pictures", texts=folder / "texts.txt")


def row(found: Measured) -> dict[str, Any]:
    """Return the figures of every tower, precision by precision."""
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
        for precision, towers in found.manifest.towers.items()
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
            if not found or found == left:
                raise
            refused[found[0]] = str(error)
