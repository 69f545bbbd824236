"""The release: from the trained checkpoint to the verified, calibrated bundle in the package."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import twinlens
from twinlens.bundle.bundle import open_bundle, write_manifest
from twinlens.bundle.specs import Precision
from twinlens.calibration.calibrate import calibrate as calibrate_bundle
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.commands import demo
from twinlens.datasets.pairs import Pairs
from twinlens.demo.samples import CLASS_TEMPLATES, CLASSES
from twinlens_demo import evaluate
from twinlens_demo.concepts import Concept
from twinlens_export import export

F32 = NDArray[np.float32]

PRECISIONS: Final[tuple[Precision, ...]] = ("fp16", "int8")
"""fp32 stays in the repository: its towers would make the wheel too large."""
OPTIONS: Final = CalibrationOptions(prior=0.5, fitted_on="OpenMoji drawings and their names")
QUERIES: Final = (
    *demo.QUERIES,
    "flying machine",
    "tool for cutting",
    "love",
    "time to sleep",
    "birthday party",
    "a person cooking",
)
"""Free words for the card; none is the name of a concept."""
TOP: Final = 5
NAME: Final = "twinlens emoji CLIP"
CHECKPOINT_FILES: Final = (
    "model.safetensors",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


def keep_checkpoint(trained: Path, kept: Path) -> None:
    """Copy what transformers' loaders need of the trained checkpoint."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in CHECKPOINT_FILES:
        shutil.copyfile(trained / name, kept / name)


def write_bundle(checkpoint: Path, bundle: Path) -> None:
    """Export the towers that the wheel carries, verified on the bundled drawings."""
    export(checkpoint, bundle, precisions=PRECISIONS, force=True)


def calibrate(bundle: Path, drawings: Path, concepts: Sequence[Concept]) -> None:
    """Fit each precision on the development set: pairs that neither training nor test saw."""
    calibrate_bundle(bundle, development_pairs(drawings, concepts), options=OPTIONS)
    opened = open_bundle(bundle)
    named = dataclasses.replace(opened.manifest.source, name=NAME)
    write_manifest(bundle, dataclasses.replace(opened.manifest, source=named))


def development_pairs(drawings: Path, concepts: Sequence[Concept]) -> Pairs:
    """The drawings of the development set with the first names of their concepts."""
    rows, pictures = read_images(drawings / "openmoji.npz")
    return Pairs(images=pictures, texts=[concepts[row].names[0] for row in rows])


def read_images(path: Path) -> tuple[NDArray[np.int64], list[Image.Image]]:
    """Concept numbers [N] and drawings with their transparency."""
    stored = np.load(path)
    return stored["rows"], [Image.fromarray(pixels, "RGBa") for pixels in stored["pixels"]]


def write_figures(
    bundle: Path, drawings: Path, concepts: Sequence[Concept], name: str, out: Path
) -> None:
    """Measure every precision on one set of drawings, through the runtime, and write JSON."""
    figures = {
        precision: figures_of(
            twinlens.load(bundle, device="cpu", precision=precision),
            drawings / f"{name}.npz",
            concepts,
        )
        for precision in PRECISIONS
    }
    out.write_text(json.dumps({"drawings": name, **figures}, indent=2) + "\n", encoding="utf-8")


def figures_of(
    model: twinlens.Model, drawings: Path, concepts: Sequence[Concept]
) -> dict[str, object]:
    """Recall both ways over all, the trained and the held-out concepts; classes; calibration error.

    The text of a concept is its first name, as it stands. The gallery always holds every concept;
    "among themselves" is the recall of the held-out concepts in a gallery of their own.
    """
    rows, pictures = read_images(drawings)
    shown = [concepts[row] for row in rows]
    images = model.embed_images(pictures)
    texts = model.embed_texts([concept.names[0] for concept in shown])
    right = evaluate.same_drawings(np.load(drawings)["pixels"])
    scores = texts @ images.T
    held = np.array([concept.held_out for concept in shown])
    found: dict[str, object] = {"concepts": len(shown), "held_out": int(held.sum())}
    for name, kept in (("all", held | ~held), ("trained", ~held), ("held out", held)):
        found[f"text to image, {name}"] = _plain(evaluate.recall(scores[kept], right[kept]))
        found[f"image to text, {name}"] = _plain(evaluate.recall(scores.T[kept], right[kept]))
    own = np.ix_(held, held)
    found["text to image, held out among themselves"] = _plain(
        evaluate.recall(scores[own], right[own])
    )
    found["five classes"] = round(_zero_shot(model, images, shown, held | ~held), 1)
    found["five classes, held out"] = round(_zero_shot(model, images, shown, held), 1)
    found["calibration error"] = round(
        evaluate.pair_calibration_error(model.calibration.probability(scores), right), 4
    )
    found["queries"] = _answers(model, images, shown)
    return found


def _answers(model: twinlens.Model, images: F32, shown: Sequence[Concept]) -> dict[str, list[str]]:
    hits = twinlens.Index.build(images).search(model.embed_texts(QUERIES), TOP)
    return {
        query: [shown[row].names[0] + "*" * shown[row].held_out for row in rows]
        for query, rows in zip(QUERIES, hits.ids.tolist(), strict=True)
    }


def _zero_shot(
    model: twinlens.Model, images: F32, shown: Sequence[Concept], kept: NDArray[np.bool_]
) -> float:
    labels = model.embed_labels(CLASSES, templates=CLASS_TEMPLATES)
    chosen = [concept for concept, keep in zip(shown, kept, strict=True) if keep]
    return evaluate.zero_shot(images[kept], chosen, labels)


def _plain(recall: evaluate.Recall) -> dict[str, float]:
    return {name: round(value, 1) for name, value in dataclasses.asdict(recall).items()}
