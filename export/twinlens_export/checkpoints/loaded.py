"""The origin: what a source of checkpoints gives, before the towers are taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from twinlens_export.architecture import F32
from twinlens_export.checkpoints.families import Family
from twinlens_export.checkpoints.preprocessing import Preprocessing
from twinlens_export.checkpoints.state_dict import Shape
from twinlens_export.checkpoints.tokenizer import Words


class Model(Protocol):
    """The original in torch, in float32: what the towers are verified against."""

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embeddings [B, D] of normalised pixels [B, 3, S, S], of any length."""
        ...

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """Embeddings [B, D] of ids [B, T], padded at the end, of any length."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A trained model as it was found."""

    family: Family
    model: Model
    weights: Mapping[str, F32]
    """The state dict under the family's names."""
    image: Shape
    text: Shape
    end_id: int | None
    """What the configuration ends a text with; None: the largest id does."""
    preprocessing: Preprocessing
    words: Words
    native_scale: float
    """exp of the learned logit scale."""
    native_bias: float | None
    """The learned logit bias, where it was trained with one."""
    files: Mapping[str, str]
    """Texts of the files that the Hub's tools expect beside the weights, by name."""
