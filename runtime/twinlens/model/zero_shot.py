"""Zero-shot classification: labels in templates, and the probabilities of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.batch import Batch
from twinlens.dataframes import several
from twinlens.texts.cures import no_string

F32 = NDArray[np.float32]

TEMPLATES: Final = ("a photo of a {}",)
ASSUMED_SCALE: Final = 100.0
"""Scale of a checkpoint without a logit scale: CLIP's training clamps its own to it, and ends
there (Radford et al. 2021, section 2.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """Zero-shot classification of B images into C labels."""

    labels: tuple[str, ...]
    probabilities: F32
    """[B, C], rows summing to 1; NaN for an image that could not be read."""

    @property
    def best(self) -> list[str | None]:
        """Likeliest label of each image; of equals, the earlier one; None where all are NaN."""
        readable = ~np.isnan(self.probabilities[:, 0])
        places = self.probabilities.argmax(axis=1)
        return [
            self.labels[place] if known else None
            for place, known in zip(places, readable, strict=True)
        ]


def classify_rows(images: F32, label_rows: F32, *, labels: Sequence[str], scale: float) -> Classes:
    """Softmax of scaled cosines of images [B, D] with labels [C, D], all unit rows.

    Radford et al. 2021, section 3.1.4; `scale` is exp of the checkpoint's logit scale.
    """
    logits = scale * (images @ label_rows.T)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Classes(labels=tuple(labels), probabilities=shares / shares.sum(axis=1, keepdims=True))


def as_templates(templates: str | Batch[str]) -> list[str]:
    """Return templates as a list; a single str is one template.

    Raises:
        TypeError: they have no order.
    """
    return [templates] if isinstance(templates, str) else [*several(templates, "templates")]


def fill_templates(labels: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Fill every template with every label; all texts of the first label come first.

    Raises:
        TextError: a label or a template is not a string.
        ValueError: a label is empty or repeated, or a template does not have exactly one `{}`.
    """
    if not labels or not templates:
        raise ValueError("classify needs at least one label and one template")
    for index, label in enumerate(labels):
        if not isinstance(label, str):
            raise no_string(f"label {index}", label)
        if not label.strip():
            raise ValueError(f"label {index} is empty; give it a name or leave it out")
    if len(set(labels)) < len(labels):
        repeated = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"label {repeated!r} is there twice; give it once")
    for index, template in enumerate(templates):
        if not isinstance(template, str):
            raise no_string(f"template {index}", template)
        if template.count("{}") != 1:
            raise ValueError(
                f"template {template!r} has {template.count('{}')} places for the label, "
                "wanted one, as in 'a {}'"
            )
    return [template.replace("{}", label) for label in labels for template in templates]
