"""The tuning of a tower for int8: smoothed if that helps, as measured on calibration samples."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from twinlens_export.architecture import F32, ImageTower, TextTower
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import MakeBlocks
from twinlens_export.graph.graph import Array, Graph
from twinlens_export.quantization.activation_stats import observed, rows_of
from twinlens_export.quantization.prescaled_blocks import DividedBlocks
from twinlens_export.quantization.smoothquant import smoothed, unfolded
from twinlens_export.verification.verify import cosines_of

logger = logging.getLogger(__name__)

Tower = TypeVar("Tower", ImageTower, TextTower)
Draw: TypeAlias = Callable[[Tower, MakeBlocks], Graph]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned(Generic[Tower]):
    """A tower that is ready for int8."""

    tower: Tower
    factors: Mapping[str, F32]
    """What the tokens of a product are divided by before they are coded, by its name."""
    draw: Draw[Tower]

    def build(self, make_blocks: MakeBlocks) -> Graph:
        """Its graph, of the blocks that are given."""
        return self.draw(self.tower, make_blocks)

    def blocks(self, *, kept: Collection[str] = ()) -> MakeBlocks:
        """The blocks in int8, those with a name in `kept` in float32."""
        return partial(DividedBlocks, factors=self.factors, kept=frozenset(kept))


def tuned(tower: Tower, draw: Draw[Tower], batches: Sequence[Array], folder: Path) -> Tuned[Tower]:
    """The tower as it is, or smoothed: the one whose int8 rows are nearer to those in float32.

    Args:
        tower: in float32.
        draw: makes its graph.
        batches: of calibration samples.
        folder: for files that are needed meanwhile.
    """
    seen = observed(draw(tower, FloatBlocks), batches, folder)
    plain = Tuned(tower=tower, factors={}, draw=draw)
    smooth = Tuned(
        tower=smoothed(tower, seen.sizes), factors=unfolded(tower, seen.sizes), draw=draw
    )
    plain_loss, smooth_loss = (
        float(
            np.mean(1 - cosines_of(rows_of(each.build(each.blocks()), batches, folder), seen.rows))
        )
        for each in (plain, smooth)
    )
    logger.info("int8 loses a mean cosine of %.2e, smoothed %.2e", plain_loss, smooth_loss)
    return smooth if smooth_loss < plain_loss else plain
