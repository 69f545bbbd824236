"""The assumed calibration: a curve without a fit, for bundles that nobody has calibrated yet.

Its scale is the checkpoint's own, exp(logit_scale). A contrastive loss makes the scaled cosine the
log of a density ratio, up to a constant (van den Oord et al. 2018, arXiv 1807.03748, section 2.3):
the odds of a match rise by that scale, and only the constant is missing. It comes from published
cosines, where there are some for models of the family and the width; else from the cosines of
unrelated samples of the export.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import PlattCurve
from twinlens.bundle.manifest import Towers
from twinlens.bundle.specs import Precision
from twinlens.model.zero_shot import ASSUMED_SCALE
from twinlens_export.architecture import F32, ImageTower
from twinlens_export.checkpoints.checkpoint import Checkpoint

EVEN: Final = 0.5
"""Share of matches for which the curve holds."""
_SPREAD_OF_MAD: Final = 1.4826
"""Standard deviation of a normal distribution, in medians of its absolute deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCosines:
    """Mean cosines of images with other texts and with their own, of one kind of models."""

    models: str
    unmatched: float
    """An estimate: no paper was found that states this mean."""
    matched: float
    source: str | None = None
    """Pairs on which `matched` was published; None: it is an estimate as well."""

    @property
    def reason(self) -> str:
        """Both means in words, each with its source, or as the estimate that it is."""
        if self.source is None:
            return (
                f"cosines estimated for {self.models}: {self.unmatched:g} unmatched, "
                f"{self.matched:g} matched"
            )
        return (
            f"cosines of {self.models}: {self.matched:g} matched, published for {self.source}, "
            f"and {self.unmatched:g} unmatched, an estimate"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKind:
    """Kind of models: whoever trained them with this activation, and the width D."""

    quick_gelu: bool
    """True for OpenAI's CLIP; LAION's and most others have GELU."""
    width: int


PUBLISHED: Final[Mapping[ModelKind, PublishedCosines]] = {
    # Matched: the means of all 747 million pairs of COYO-700M, which no cosine had filtered: 0.2913
    # by ViT-B/32 and 0.2546 by ViT-L/14 (github.com/kakaobrain/coyo-dataset, "Statistics"). People
    # chose 0.30 as the least cosine of a fitting text (LAION-400M, arXiv 2111.02114) and 0.28 later
    # (LAION-5B, arXiv 2210.08402), both by ViT-B/32.
    # Unmatched: a picture of a car has 0.25 with "vehicle", 0.22 and 0.19 with wrong words
    # (github.com/openai/CLIP, issue 405), and texts of no kin have less. ViT-L/14 is taken to be as
    # much lower there as it is in matched pairs.
    ModelKind(quick_gelu=True, width=512): PublishedCosines(
        models="OpenAI's CLIP ViT-B", unmatched=0.16, matched=0.291, source="COYO-700M"
    ),
    ModelKind(quick_gelu=True, width=768): PublishedCosines(
        models="OpenAI's CLIP ViT-L/14", unmatched=0.12, matched=0.255, source="COYO-700M"
    ),
    # Estimates: models trained on LAION-2B have a wider spread and lower unmatched cosines.
    ModelKind(quick_gelu=False, width=512): PublishedCosines(
        models="CLIP ViT-B trained on LAION", unmatched=0.08, matched=0.31
    ),
    ModelKind(quick_gelu=False, width=768): PublishedCosines(
        models="CLIP ViT-L/14 trained on LAION", unmatched=0.07, matched=0.29
    ),
    ModelKind(quick_gelu=False, width=1024): PublishedCosines(
        models="CLIP ViT-H/14 trained on LAION", unmatched=0.06, matched=0.31
    ),
}
"""Cosines of CLIP. SigLIP needs none: it has learnt its constant, `siglip_calibration`.

Chinese-CLIP has higher ones, 0.3 to 0.6 of matches, and a cut at 0.3 is its authors' advice
(github.com/OFA-Sys/Chinese-CLIP, issues 42 and 89): not enough for a row, so its constant is
measured on the samples.
"""
_PUBLISHED_FAMILIES: Final = frozenset({"clip", "open_clip"})


def assumed_calibrations(
    checkpoint: Checkpoint, towers: Mapping[Precision, Towers], *, images: F32, texts: F32
) -> tuple[Calibration, ...]:
    """Return the assumed curve for each precision.

    There is none where the checkpoint has its own sigmoid, or one tower alone.

    Args:
        checkpoint: the checkpoint.
        towers: its towers by precision.
        images: unit rows [B, D] of sample images.
        texts: unit rows [N, D] of sample texts, most of which do not match an image.
    """
    one_tower = checkpoint.image is None or checkpoint.text is None
    if one_tower or checkpoint.native_bias is not None:
        return ()
    own = checkpoint.native_scale
    scale = ASSUMED_SCALE if own is None else own
    whose = f"CLIP's scale of {ASSUMED_SCALE:g}" if own is None else "the checkpoint's own scale"
    known = _published(checkpoint)
    if known is not None:
        middle = (known.unmatched + known.matched) / 2
        curve = PlattCurve(scale=scale, bias=-scale * middle)
        reason = known.reason
    else:
        curve = PlattCurve(scale=scale, bias=unmatched_bias(images @ texts.T, scale))
        reason = f"cosines of {len(images)} images and {len(texts)} texts, the export's samples"
    return tuple(
        Calibration(
            curve=curve,
            prior=EVEN,
            level="assumed",
            fitted_on=f"no pairs; from {whose}, and {reason}",
            matching=0,
            others=0,
            negatives="random",
            towers=pair.calibrated_for(),
        )
        for pair in towers.values()
    )


def unmatched_bias(cosines: F32, scale: float) -> float:
    """Return -log E[exp(scale * cosine)] over unmatched pairs, the constant of the density ratio.

    Of a normal distribution it is -(scale * mean + (scale * spread)^2 / 2). The mean is the median,
    and the spread that of the absolute deviations: the few pairs that match have no part in them.
    """
    middle = float(np.median(cosines))
    spread = _SPREAD_OF_MAD * float(np.median(np.abs(cosines - middle)))
    return -(scale * middle + (scale * spread) ** 2 / 2)


def _published(checkpoint: Checkpoint) -> PublishedCosines | None:
    tower = checkpoint.image
    if checkpoint.family.name not in _PUBLISHED_FAMILIES or not isinstance(tower, ImageTower):
        return None
    kind = ModelKind(quick_gelu=tower.encoder.activation == "quick_gelu", width=tower.output_width)
    return PUBLISHED.get(kind)
