"""The tuning of a tower for int8: smoothed if that helps, measured on calibration samples."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

import numpy as np

from twinlens_export.architecture import F32, AnyTower, TracedImageTower, TracedTextTower
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.blocks.interface import MakeBlocks
from twinlens_export.graph.graph import Array, Graph
from twinlens_export.graph.mapped_arrays import arrays_of, on_disk, release
from twinlens_export.quantization.activation_stats import NOTHING, activation_stats, embed
from twinlens_export.quantization.smoothquant import smoothed, token_divisors
from twinlens_export.verification.verify import cosines_of

logger = logging.getLogger(__name__)

FEW_LEVELS: Final = 64
"""A quarter of the codes of int8."""

Tower = TypeVar("Tower", bound=AnyTower)
BuildTower: TypeAlias = Callable[[Tower, MakeBlocks], Graph]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedTower(Generic[Tower]):
    """A tower ready for int8."""

    tower: Tower
    divisors: Mapping[str, F32]
    """See `Int8Blocks`."""
    build_tower: BuildTower[Tower]

    def build(self, make_blocks: MakeBlocks) -> Graph:
        """Build its graph of the given blocks."""
        graph = self.build_tower(self.tower, make_blocks)
        release(arrays_of(self.tower))
        return graph

    def blocks(
        self, *, kept: Collection[str] = (), known: Mapping[str, Array] = NOTHING
    ) -> MakeBlocks:
        """Return the blocks in int8, those named in `kept` in float32; see `Int8Blocks`."""
        return partial(Int8Blocks, divisors=self.divisors, kept=frozenset(kept), known=known)


def on_few_levels(tower: AnyTower) -> bool:
    """Return True if no row of a linear map has more than `FEW_LEVELS` values.

    Such codes have less entropy: the file compresses, in a package or on its way to a browser.
    """
    if isinstance(tower, (TracedImageTower, TracedTextTower)):
        return False
    return all(
        len(np.unique(row)) <= FEW_LEVELS
        for layer in tower.encoder.layers
        for linear in (layer.query, layer.fc1, layer.fc2)
        for row in linear.weight
    )


def tune(
    tower: Tower, build_tower: BuildTower[Tower], batches: Sequence[Array], folder: Path
) -> TunedTower[Tower]:
    """Return the tower plain or smoothed: the one whose int8 rows are nearer to those in float32.

    A tower whose weights are on few levels stays plain: smoothing would take them off.

    Args:
        tower: in float32.
        build_tower: builds its graph.
        batches: calibration samples.
        folder: for temporary files.
    """
    plain = TunedTower(tower=tower, divisors={}, build_tower=build_tower)
    if on_few_levels(tower):
        return plain
    stats = activation_stats(build_tower(tower, FloatBlocks), batches, folder)
    smooth = TunedTower(
        tower=on_disk(smoothed(tower, stats.rms), folder),
        divisors=token_divisors(tower, stats.rms),
        build_tower=build_tower,
    )
    plain_loss, smooth_loss = (
        float(
            np.mean(1 - cosines_of(embed(each.build(each.blocks()), batches, folder), stats.rows))
        )
        for each in (plain, smooth)
    )
    logger.info("int8 loses a mean cosine of %.2e, smoothed %.2e", plain_loss, smooth_loss)
    return smooth if smooth_loss < plain_loss else plain
