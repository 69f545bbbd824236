"""The plan of an export: its steps, and the products that each computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twinlens.bundle.specs import Modality, Precision
from twinlens_export.architecture import ImageTower, TextTower
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Array
from twinlens_export.presence import there
from twinlens_export.verification.samples import Samples

REFERENCE_STEP: Final = "the original model"
COSTS: Final[Mapping[Precision, float]] = {"fp32": 1.0, "fp16": 1.5, "int8": 0.3}
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
    tokens: dict[Modality, _Tokens] = {}
    if checkpoint.image is not None:
        tokens["image"] = _image_tokens(checkpoint.image, samples)
    if checkpoint.text is not None:
        context = there(checkpoint.text_spec).context
        tokens["text"] = _text_tokens(checkpoint.text, samples, context)
    plan = {REFERENCE_STEP: REFERENCE_COST * sum(t.weights * t.whole for t in tokens.values())}
    for precision in precisions:
        for modality, count in tokens.items():
            walked = COSTS[precision] * (count.whole + count.trimmed)
            walked += 3 * TUNING * count.tuned if precision == "int8" else 0
            plan[tower_step(modality, precision)] = walked * count.weights
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tokens:
    """Tokens that one tower walks through, and its weights."""

    weights: int
    whole: int
    """Of the compared samples, texts padded to the context."""
    trimmed: int
    """Of the compared texts as they are: each is compared in both ways."""
    tuned: int
    """Of the samples for the calibration of int8."""


def _image_tokens(tower: ImageTower, samples: Samples) -> _Tokens:
    positions = len(tower.position_embedding)
    return _Tokens(
        weights=tower.encoder.n_weights,
        whole=len(samples.compared.images) * positions,
        trimmed=0,
        tuned=len(samples.calibration.images) * positions,
    )


def _text_tokens(tower: TextTower, samples: Samples, context: int) -> _Tokens:
    return _Tokens(
        weights=tower.encoder.n_weights,
        whole=(len(samples.compared.texts) + len(samples.full_texts)) * context,
        trimmed=sum(map(len, samples.compared.texts)),
        tuned=sum(map(len, samples.calibration.texts)),
    )
