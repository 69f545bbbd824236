"""The loaded checkpoint: weights, configuration and reference model, of any library."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from twinlens_export.architecture import F32, ImagePooling, TracedImageTower, TracedTextTower
from twinlens_export.checkpoints.families.family import Family
from twinlens_export.checkpoints.preprocessing import Preprocessing
from twinlens_export.checkpoints.state_dict import EncoderConfig
from twinlens_export.checkpoints.tokenizer import LoadedTokenizer
from twinlens_export.errors import CheckpointError


class ReferenceModel(Protocol):
    """The checkpoint's own model in torch, in float32: the reference of the verification."""

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return embeddings [B, D] of normalised pixels [B, 3, S, S], not of unit length."""
        ...

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """Return embeddings [B, D] of ids [B, T], padded at the end, not of unit length."""
        ...


class ReferencePreparation(Protocol):
    """The checkpoint's own tokenizer and image processor: the reference of ids and pixels."""

    def ids(self, texts: Sequence[str], context: int) -> NDArray[np.int64]:
        """Return the ids [B, T] of texts, truncated and padded to the context."""
        ...

    def pixels(self, image: Image.Image) -> F32:
        """Return the normalised floats [3, S, S] of an image."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCheckpoint:
    """A checkpoint as its library loads it, before its towers are taken apart."""

    family: Family
    model: ReferenceModel
    preparation: ReferencePreparation
    weights: Mapping[str, F32]
    """The state dict under the family's names."""
    image: EncoderConfig | TracedImageTower | None = None
    """A tower's configuration, if it is a transformer of `architecture.py`; else itself, traced.
    None if there is no image tower; so with `preprocessing`."""
    text: EncoderConfig | TracedTextTower | None = None
    """Likewise; None if there is no text tower; so with `tokenizer`."""
    image_pooling: ImagePooling = "class"
    end_id: int | None = None
    """End id of the configuration; None: the largest id ends a text."""
    preprocessing: Preprocessing | None = None
    tokenizer: LoadedTokenizer | None = None
    native_scale: float | None = None
    """exp of the learned logit scale, if it has one."""
    native_bias: float | None = None
    """The learned logit bias, if it was trained with one."""
    files: Mapping[str, str]
    """Contents of the text files that the Hub's tools expect beside the weights, by name."""


def scale_of(model: Any) -> float:  # noqa: ANN401  of either library
    """Return exp of a model's learned logit scale.

    Raises:
        CheckpointError: it is not finite.
    """
    logit_scale = float(model.logit_scale.item())
    try:
        scale = math.exp(logit_scale)
    except OverflowError:
        scale = math.inf
    if not math.isfinite(scale):
        raise CheckpointError(
            f"the checkpoint's logit_scale is {logit_scale}, whose exponential is not finite; give "
            "a checkpoint saved before its training diverged"
        )
    return scale
