"""Text towers made of a lone text encoder: BERT and its kin, pooled, and perhaps projected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch

from twinlens.errors import quoted
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.families import Family
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.checkpoints.kinds.text_families import TEXT_ENCODERS, beneath
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.transformers_loader import (
    TransformersPreparation,
    config_file,
    encoder_config,
)
from twinlens_export.errors import CheckpointError

ENCODER: Final = "encoder_model."
"""Prefix of the encoder's weights."""
PROJECTION: Final = "text_projection"

EncoderPooling = Literal["first", "mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledEncoder:
    """A text encoder of transformers, pooled and projected; see `ReferenceModel`."""

    model: Any
    pooling: EncoderPooling
    weight: torch.Tensor | None
    """Of the projection [out, in]; None: there is none."""
    bias: torch.Tensor | None
    pad_id: int

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Refuse images: it has no image tower."""
        raise NotImplementedError(f"no image tower for pixels {list(pixels.shape)}")

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        mask = (ids != self.pad_id).long()
        tokens = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled: torch.Tensor = tokens[:, 0]
        if self.pooling == "mean":
            weights = mask.unsqueeze(-1).to(tokens.dtype)
            pooled = (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        if self.weight is None:
            return pooled
        return torch.nn.functional.linear(pooled, self.weight, self.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderParts:
    """A text encoder as its library loads it, and what follows it."""

    place: str
    """Folder of its files, or Hub id."""
    config: Any
    model: Any
    tokenizer: Any
    pooling: EncoderPooling
    projection: Mapping[str, torch.Tensor]
    """The linear map after the pooling: weight [out, in], and bias [out] if it has one; empty:
    there is none."""
    context: int | None = None
    """The most tokens of a text; None: as many as there are positions."""
    lower_case: bool = False


def loaded_encoder(parts: EncoderParts) -> LoadedCheckpoint:
    """Return a text encoder as a checkpoint of one tower.

    Raises:
        CheckpointError: the encoder is of a kind that is not known.
    """
    kind = parts.config.model_type
    if kind not in TEXT_ENCODERS:
        raise CheckpointError(
            f"the text encoder of {quoted(parts.place)} is a {quoted(repr(kind))}, which is not "
            f"supported; supported are {', '.join(TEXT_ENCODERS)}"
        )
    names = replace(
        beneath(TEXT_ENCODERS[kind], ENCODER), pooling=parts.pooling, projection=PROJECTION
    )
    state = parts.model.state_dict().items()
    weights: dict[str, F32] = {f"{ENCODER}{name}": t.numpy(force=True) for name, t in state}
    for name, tensor in parts.projection.items():
        weights[f"{PROJECTION}.{name}"] = np.ascontiguousarray(tensor.numpy(force=True))
    positions = len(weights[names.position_embedding]) - names.position_offset
    tokenizer = read_tokenizer(
        parts.tokenizer, context=min(positions, parts.context or positions), trim=True
    )
    if parts.lower_case:
        tokenizer = replace(tokenizer, spec=replace(tokenizer.spec, clean="lower"))
    return LoadedCheckpoint(
        family=Family(name=kind, model=type(parts.model).__name__, text=names),
        model=PooledEncoder(
            model=parts.model,
            pooling=parts.pooling,
            weight=parts.projection.get("weight"),
            bias=parts.projection.get("bias"),
            pad_id=tokenizer.spec.pad_id,
        ),
        preparation=TransformersPreparation(tokenizer=parts.tokenizer, processor=None),
        weights=weights,
        text=encoder_config(parts.config),
        tokenizer=tokenizer,
        files={**config_file(parts.place, parts.config), TOKENIZER: tokenizer.json},
    )
