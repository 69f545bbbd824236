"""The native calibration of SigLIP: the sigmoid learnt in the checkpoint's own training."""

from collections.abc import Mapping
from typing import Final

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import PlattCurve
from twinlens.bundle.manifest import Towers
from twinlens.bundle.specs import Precision
from twinlens_export.checkpoints.checkpoint import Checkpoint

BATCH: Final = 32768
"""Texts beside each image in the training of SigLIP and SigLIP 2, one of them its own."""


def native_calibrations(
    checkpoint: Checkpoint, towers: Mapping[Precision, Towers]
) -> dict[Precision, Calibration]:
    """Return the learnt sigmoid for each precision; none if the checkpoint has no logit bias.

    p = sigmoid(exp(logit_scale) cos + logit_bias) is the match probability by SigLIP's loss, for
    pairs drawn as in its training (Zhai et al. 2023, arXiv 2303.15343).
    """
    scale, bias = checkpoint.native_scale, checkpoint.native_bias
    if scale is None or bias is None or not (checkpoint.image and checkpoint.text):
        return {}
    return {
        precision: Calibration(
            curve=PlattCurve(scale=scale, bias=bias),
            prior=1 / BATCH,
            level="native",
            fitted_on=f"the checkpoint's own training, in batches of {BATCH}",
            matching=0,
            others=0,
            negatives="random",
            towers=pair.calibrated_for(),
        )
        for precision, pair in towers.items()
    }
