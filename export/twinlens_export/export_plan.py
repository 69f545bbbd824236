"""The plan of an export: its steps, and the products that each computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twinlens.bundle.specs import Modality, Precision
from twinlens.ort import native_operators
from twinlens_export.architecture import (
    AnyTower,
    ImageTower,
    TracedImageTower,
    TracedTextTower,
)
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Array
from twinlens_export.graph.mapped_arrays import arrays_of
from twinlens_export.precision import RECIPES
from twinlens_export.presence import there
from twinlens_export.quantization.kept_blocks import MOST_KEPT, tries_of
from twinlens_export.quantization.sensitivity import IMAGES, TEXTS, runs_of
from twinlens_export.verification.hardest import MOST
from twinlens_export.verification.samples import Samples
from twinlens_export.verification.verify import FEW

REFERENCE_STEP: Final = "the original model"
COSTS: Final[Mapping[Precision, float]] = {"fp32": 1.0, "fp16": 1.5, "bf16": 0.5, "int8": 0.3}
"""Time of a product in a precision, in that of one in float32, and below that of one in torch: of
ViT-L/14 (EPYC with AVX-512 VNNI)."""
REFERENCE_COST: Final = 1.4
TUNING: Final = 0.5
"""Mean of the three graphs of a calibration: the statistics', and int8 plain and smoothed."""
GRAPHS_OF_TUNING: Final = 3
MEASURING: Final = 1.5
"""As COSTS: float32 of which the weights stay in the mapped file, and int8 beside it."""
BUILDING: Final[Mapping[Precision, float]] = {"fp32": 700, "fp16": 1000, "bf16": 700, "int8": 1000}
"""Products in whose time one weight is rounded, written and hashed: of a large tower with few
samples it is half of the work."""
EXPECTED_RESCUE: Final = 0.5
"""Share of the search for blocks that stay in float32 that is planned, since nobody knows before
whether it is needed: either way the time left is told within a factor of two."""


def tower_step(modality: Modality, precision: Precision) -> str:
    """Return the name of the step that writes and verifies a tower."""
    return f"the {modality} tower in {precision}"


def products(tower: AnyTower, batch: Array) -> float:
    """Return the number of products of weights that a tower computes for a batch."""
    return tower.products * (len(batch) if _is_of_images(tower) else batch.size)


def _is_of_images(tower: AnyTower) -> bool:
    return isinstance(tower, (ImageTower, TracedImageTower))


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerWork:
    """The samples that one tower walks through, in images or tokens of texts, and their cost."""

    tower: AnyTower
    whole: int
    """Of the compared samples, texts padded to the context."""
    trimmed: int
    """Of the compared texts as they are: each is compared in both ways."""
    few: float
    """Share of the compared samples that a second graph is compared on."""
    tuned: int
    """Of the samples for the calibration of int8."""
    n_tuned: int
    """Number of these samples."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks that int8 has, or a little more."""
        if isinstance(self.tower, (TracedImageTower, TracedTextTower)):
            return len(self.tower.body.blocks)
        return 3 * len(self.tower.encoder.layers) + 4

    @property
    def _item(self) -> float:
        """Products of a sample, on the average."""
        return self.tower.products * self.tuned / self.n_tuned

    def reference(self) -> float:
        """Return the cost of the compared samples by the original model."""
        return REFERENCE_COST * self.tower.products * self.whole

    def building(self, precision: Precision) -> float:
        """Return the cost of building the tower's graph, and of writing it."""
        return BUILDING[precision] * sum(array.size for array in arrays_of(self.tower))

    def written(self, precision: Precision) -> float:
        """Return the cost of writing a tower, and of comparing it on all samples."""
        walked = COSTS[precision] * (self.whole + self.trimmed)
        if RECIPES[precision].native is not None and native_operators.serving() is not None:
            walked *= 1 + self.few
        return walked * self.tower.products + self.building(precision)

    def tuning(self) -> float:
        """Return the cost of the calibration of int8."""
        walked = TUNING * self.tuned * self.tower.products
        return GRAPHS_OF_TUNING * (walked + self.building("int8"))

    def rescue(self) -> float:
        """Return the cost of finding blocks that stay in float32, and of comparing the tower."""
        samples = IMAGES if _is_of_images(self.tower) else TEXTS
        measured = runs_of(self.n_blocks) * samples * MEASURING * self._item
        return measured + 2 * self.building("fp32") + self.tries() + self.written("int8")

    def tries(self) -> float:
        """Return the cost of quick tries at numbers of such blocks."""
        one = MOST * COSTS["int8"] * self._item + self.building("int8") / 2
        return tries_of(int(MOST_KEPT * self.n_blocks)) * one

    def planned(self, precision: Precision) -> float:
        """Return the planned cost of a tower."""
        if precision != "int8":
            return self.written(precision)
        return self.tuning() + self.written("int8") + EXPECTED_RESCUE * self.rescue()


def export_plan(
    works: Mapping[Modality, TowerWork], precisions: Sequence[Precision]
) -> dict[str, float]:
    """Return the cost of each step by its name: products, in float32 of onnxruntime."""
    plan = {REFERENCE_STEP: sum(work.reference() for work in works.values())}
    for precision in precisions:
        for modality, work in works.items():
            plan[tower_step(modality, precision)] = work.planned(precision)
    return plan


def tower_works(checkpoint: Checkpoint, samples: Samples) -> dict[Modality, TowerWork]:
    """Return the work of each tower that a checkpoint has."""
    works: dict[Modality, TowerWork] = {}
    if checkpoint.image is not None:
        works["image"] = TowerWork(
            tower=checkpoint.image,
            whole=len(samples.compared.images),
            trimmed=0,
            few=min(1, FEW / len(samples.compared.images)),
            tuned=len(samples.calibration.images),
            n_tuned=len(samples.calibration.images),
        )
    if checkpoint.text is not None:
        n_texts = len(samples.compared.texts) + len(samples.full_texts)
        works["text"] = TowerWork(
            tower=checkpoint.text,
            whole=n_texts * there(checkpoint.text_spec).context,
            trimmed=sum(map(len, samples.compared.texts)),
            few=min(1, FEW / len(samples.compared.texts)),
            tuned=sum(map(len, samples.calibration.texts)),
            n_tuned=len(samples.calibration.texts),
        )
    return works
