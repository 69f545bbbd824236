"""The plan of an export: its steps, and the products that each computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twinlens.bundle.specs import Modality, Precision
from twinlens.ort import native_operators
from twinlens_export.architecture import AnyTower, ImageTower, TracedImageTower
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Array
from twinlens_export.precision import RECIPES
from twinlens_export.presence import there
from twinlens_export.verification.samples import Samples
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


def products(tower: AnyTower, batch: Array) -> float:
    """Return the number of products of weights that a tower computes for a batch."""
    is_image = isinstance(tower, (ImageTower, TracedImageTower))
    return tower.products * (len(batch) if is_image else batch.size)


def export_plan(
    checkpoint: Checkpoint, samples: Samples, precisions: Sequence[Precision]
) -> dict[str, float]:
    """Return the cost of each step by its name: products, in float32 of onnxruntime."""
    items: dict[Modality, _Items] = {}
    if checkpoint.image is not None:
        items["image"] = _Items(
            products=checkpoint.image.products,
            whole=len(samples.compared.images),
            trimmed=0,
            tuned=len(samples.calibration.images),
            few=min(1, FEW / len(samples.compared.images)),
        )
    if checkpoint.text is not None:
        n_texts = len(samples.compared.texts) + len(samples.full_texts)
        items["text"] = _Items(
            products=checkpoint.text.products,
            whole=n_texts * there(checkpoint.text_spec).context,
            trimmed=sum(map(len, samples.compared.texts)),
            tuned=sum(map(len, samples.calibration.texts)),
            few=min(1, FEW / len(samples.compared.texts)),
        )
    plan = {REFERENCE_STEP: REFERENCE_COST * sum(i.products * i.whole for i in items.values())}
    for precision in precisions:
        for modality, count in items.items():
            walked = COSTS[precision] * (count.whole + count.trimmed)
            walked += 3 * TUNING * count.tuned if precision == "int8" else 0
            if RECIPES[precision].native is not None and native_operators.serving() is not None:
                walked *= 1 + count.few
            plan[tower_step(modality, precision)] = walked * count.products
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """Images, or tokens of texts, that one tower walks through."""

    products: float
    """Of each."""
    whole: int
    """Of the compared samples, texts padded to the context."""
    trimmed: int
    """Of the compared texts as they are: each is compared in both ways."""
    tuned: int
    """Of the samples for the calibration of int8."""
    few: float
    """Share of the compared samples that a second graph is compared on."""
