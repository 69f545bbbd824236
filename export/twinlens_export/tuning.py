"""The tuning of a tower for int8: smoothed if that helps, as measured on calibration samples."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from twinlens_export.anatomy import ImageTower, TextTower
from twinlens_export.blocks import MakeBlocks
from twinlens_export.calibrate import observed, rows_of
from twinlens_export.float_blocks import FloatBlocks
from twinlens_export.graph import Array, Graph
from twinlens_export.int8 import Int8Blocks
from twinlens_export.smooth import smoothed
from twinlens_export.verify import cosines_of

logger = logging.getLogger(__name__)

Tower = TypeVar("Tower", ImageTower, TextTower)
Draw: TypeAlias = Callable[[Tower, MakeBlocks], Graph]


def tuned(tower: Tower, draw: Draw[Tower], batches: Sequence[Array], folder: Path) -> Tower:
    """The tower as it is, or smoothed: the one whose int8 rows are nearer to those in float32.

    Args:
        tower: in float32.
        draw: makes its graph.
        batches: of calibration samples.
        folder: for files that are needed meanwhile.
    """
    seen = observed(draw(tower, FloatBlocks), batches, folder)
    smooth = smoothed(tower, seen.sizes)
    plain_loss, smooth_loss = (
        float(np.mean(1 - cosines_of(rows_of(draw(each, Int8Blocks), batches, folder), seen.rows)))
        for each in (tower, smooth)
    )
    logger.info("int8 loses a mean cosine of %.2e, smoothed %.2e", plain_loss, smooth_loss)
    return smooth if smooth_loss < plain_loss else tower
