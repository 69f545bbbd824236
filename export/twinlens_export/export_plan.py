"""The plan of an export: its steps, and the products that each computes."""

from collections.abc import Mapping, Sequence
from typing import Final

from twinlens.bundle.specs import Modality, Precision
from twinlens.ort import native_operators
from twinlens_export.architecture import ImageTower, TextTower
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Array
from twinlens_export.precision import RECIPES
from twinlens_export.verification.samples import Inputs, Samples
from twinlens_export.verification.verify import FEW

REFERENCE_STEP: Final = "the original model"
COSTS: Final[Mapping[Precision, float]] = {"fp32": 1.0, "fp16": 1.5, "bf16": 0.5, "int8": 0.3}
"""Time of a product in a precision, in that of one in float32, and below that of one in torch: of
ViT-L/14 (EPYC with AVX-512 VNNI)."""
REFERENCE_COST: Final = 1.4
TUNING: Final = 0.5
"""Mean of the three runs of a calibration: the statistics, and int8 plain and smoothed."""


def tower_step(modality: Modality, precision: Precision) -> str:
    """Return the name of the step that writes and verifies a tower."""
    return f"the {modality} tower in {precision}"


def products(tower: ImageTower | TextTower, batch: Array) -> float:
    """Return the number of products of weights that a tower computes for a batch."""
    is_image = isinstance(tower, ImageTower)
    tokens = len(batch) * len(tower.position_embedding) if is_image else batch.size
    return float(tokens * tower.encoder.n_weights)


def export_plan(
    checkpoint: Checkpoint, samples: Samples, precisions: Sequence[Precision]
) -> dict[str, float]:
    """Return the cost of each step by its name: products, in float32 of onnxruntime."""
    context = checkpoint.text_spec.context
    weights = {
        "image": checkpoint.image.encoder.n_weights,
        "text": checkpoint.text.encoder.n_weights,
    }
    n_texts = len(samples.compared.texts) + len(samples.full_texts)
    whole = {"image": _image_tokens(checkpoint, samples.compared), "text": n_texts * context}
    trimmed = {"image": 0, "text": _text_tokens(samples.compared)}
    tuned = {
        "image": _image_tokens(checkpoint, samples.calibration),
        "text": _text_tokens(samples.calibration),
    }
    few = {
        "image": min(1, FEW / len(samples.compared.images)),
        "text": min(1, FEW / len(samples.compared.texts)),
    }
    modalities: tuple[Modality, ...] = ("image", "text")
    one_run = sum(weights[modality] * whole[modality] for modality in modalities)
    plan = {REFERENCE_STEP: REFERENCE_COST * one_run}
    for precision in precisions:
        for modality in modalities:
            tokens = COSTS[precision] * (whole[modality] + trimmed[modality])
            tokens += 3 * TUNING * tuned[modality] if precision == "int8" else 0
            if RECIPES[precision].native is not None and native_operators.serving() is not None:
                tokens *= 1 + few[modality]
            plan[tower_step(modality, precision)] = tokens * weights[modality]
    return plan


def _image_tokens(checkpoint: Checkpoint, inputs: Inputs) -> int:
    return len(inputs.images) * len(checkpoint.image.position_embedding)


def _text_tokens(inputs: Inputs) -> int:
    return sum(map(len, inputs.texts))
