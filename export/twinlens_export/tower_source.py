"""The sources of towers: weights, samples, their comparison with the original, and its cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from twinlens.bundle.manifest import Agreement
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.architecture import (
    F32,
    AnyImageTower,
    AnyTextTower,
)
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.export_plan import COSTS, MEASURING, TUNING, TowerWork, products
from twinlens_export.graph.graph import Array
from twinlens_export.presence import there
from twinlens_export.progress import Work
from twinlens_export.quantization.activation_stats import image_batches, text_batches
from twinlens_export.quantization.tuning import BuildTower, Tower
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import verify
from twinlens_export.verification.hardest import (
    Places,
    Wanted,
    wanted_images,
    wanted_texts,
)
from twinlens_export.verification.samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Samples that all towers are compared on, and the work that this is."""

    samples: Samples
    reference: verify.Reference
    work: Work
    works: Mapping[Modality, TowerWork]


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerSource(Generic[Tower]):
    """One tower before it has a precision, and its comparison with the reference model."""

    modality: Modality
    tower: Tower
    build_tower: BuildTower[Tower]
    batches: Sequence[Array]
    """Calibration samples."""
    agreement: Callable[[verify.EmbedRows], Agreement]
    worst_of_few: Callable[[verify.EmbedRows], float]
    rows_at: Callable[[verify.EmbedRows, Places], F32]
    """Embeds the compared samples at some places."""
    wanted: Wanted
    work: Work
    costs: TowerWork
    checkpoint: Checkpoint
    """For the description of the files."""

    def cost(self, batch: Array, precision: Precision) -> float:
        """Cost of embedding one batch."""
        return COSTS[precision] * products(self.tower, batch)

    def measuring_cost(self, batch: Array) -> float:
        """Cost of one run of a batch with both kinds of every block."""
        return MEASURING * products(self.tower, batch)

    def counted_batches(self) -> Sequence[Array]:
        """Calibration samples that count as work when they are walked through."""
        return self.work.counted(self.batches, lambda batch: TUNING * products(self.tower, batch))


def image_source(
    checkpoint: Checkpoint, comparison: Comparison
) -> TowerSource[AnyImageTower] | None:
    """Return the image tower of a checkpoint; None if it has none."""
    if checkpoint.image is None:
        return None
    samples, reference = comparison.samples, comparison.reference
    return TowerSource(
        modality="image",
        costs=comparison.works["image"],
        tower=checkpoint.image,
        build_tower=image_graph,
        batches=image_batches(samples.calibration.images),
        work=comparison.work,
        checkpoint=checkpoint,
        agreement=lambda embed: verify.image_agreement(embed, samples, reference),
        worst_of_few=lambda embed: verify.worst_of_few_images(embed, samples, reference),
        rows_at=lambda embed, places: verify.image_rows(embed, samples.compared.images[places]),
        wanted=wanted_images(samples, reference),
    )


def text_source(checkpoint: Checkpoint, comparison: Comparison) -> TowerSource[AnyTextTower] | None:
    """Return the text tower of a checkpoint; None if it has none."""
    if checkpoint.text is None:
        return None
    samples, reference = comparison.samples, comparison.reference
    texts, spec = (*samples.compared.texts, *samples.full_texts), there(checkpoint.text_spec)
    return TowerSource(
        modality="text",
        costs=comparison.works["text"],
        tower=checkpoint.text,
        build_tower=text_graph,
        batches=text_batches(samples.calibration.texts, spec),
        work=comparison.work,
        checkpoint=checkpoint,
        agreement=lambda embed: verify.text_agreement(embed, samples, reference, checkpoint),
        worst_of_few=lambda embed: verify.worst_of_few_texts(embed, samples, reference, checkpoint),
        rows_at=lambda embed, places: verify.text_rows(embed, [texts[n] for n in places], spec),
        wanted=wanted_texts(samples, reference),
    )
