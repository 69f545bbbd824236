"""Text towers made of a lone text encoder: BERT and its kin, pooled, and perhaps projected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch

from twinlens.bundle.specs import TextSpec
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.attention_mask import padding_mask, require_known_padding
from twinlens_export.checkpoints.families.family import Family, TextNames
from twinlens_export.checkpoints.families.text_encoders import TEXT_ENCODERS, beneath
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.tracing import as_module, traced_text_tower
from twinlens_export.checkpoints.transformers_loader import (
    TransformersPreparation,
    config_file,
    encoder_config,
)

ENCODER: Final = "encoder_model."
"""Prefix of the encoder's weights."""
PROJECTION: Final = "text_projection"
MOST_TOKENS: Final = 512
"""Most tokens of a text. Encoders with rotary positions take thousands, of which the verification
would embed every sample."""
AFTER_PADDING: Final = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
"""Encoders whose first position is that after the padding id."""

EncoderPooling = Literal["first", "mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledEncoder:
    """A text encoder of transformers, pooled and projected; see `ReferenceModel`."""

    model: Any
    pooling: EncoderPooling
    projection: torch.nn.Linear | None
    spec: TextSpec

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Refuse images: it has no image tower."""
        raise NotImplementedError(f"no image tower for pixels {list(pixels.shape)}")

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        mask = padding_mask(ids, self.spec)
        tokens = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled: torch.Tensor = tokens[:, 0]
        if self.pooling == "mean":
            weights = mask.unsqueeze(-1).to(tokens.dtype)
            pooled = (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        if self.projection is None:
            return pooled
        projected: torch.Tensor = self.projection(pooled)
        return projected

    def module(self) -> torch.nn.Module:
        """Return its own modules as one."""
        parts = [part for part in (self.model, self.projection) if part is not None]
        return torch.nn.ModuleList(parts)


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

    An encoder that is none of TEXT_ENCODERS is traced.

    Raises:
        CheckpointError: it cannot be traced, or its tokenizer not be reproduced.
    """
    kind = parts.config.model_type
    state = parts.model.state_dict().items()
    weights: dict[str, F32] = {f"{ENCODER}{name}": t.numpy(force=True) for name, t in state}
    for name, tensor in parts.projection.items():
        weights[f"{PROJECTION}.{name}"] = np.ascontiguousarray(tensor.numpy(force=True))
    tokenizer = read_tokenizer(parts.tokenizer, context=_context(parts), trim=True)
    require_known_padding(parts.tokenizer, tokenizer.spec)
    if parts.lower_case:
        tokenizer = replace(tokenizer, spec=replace(tokenizer.spec, clean="lower"))
    model = PooledEncoder(
        model=parts.model,
        pooling=parts.pooling,
        projection=_linear(parts.projection),
        spec=tokenizer.spec,
    )
    names = replace(
        beneath(TEXT_ENCODERS.get(kind, TextNames()), ENCODER),
        pooling=parts.pooling,
        projection=PROJECTION,
    )
    return LoadedCheckpoint(
        family=Family(name=kind, model=type(parts.model).__name__, text=names),
        model=model,
        preparation=TransformersPreparation(tokenizer=parts.tokenizer, processor=None),
        weights=weights,
        text=encoder_config(parts.config)
        if kind in TEXT_ENCODERS
        else traced_text_tower(
            as_module(model.text_features, model.module()),
            context=tokenizer.spec.context,
            vocabulary=parts.model.get_input_embeddings().num_embeddings,
            trim=True,
        ),
        tokenizer=tokenizer,
        files={**config_file(parts.place, parts.config), TOKENIZER: tokenizer.json},
    )


def _context(parts: EncoderParts) -> int:
    """Return the most tokens of a text: by the library, by the positions, and MOST_TOKENS."""
    positions = int(parts.config.max_position_embeddings)
    if parts.config.model_type in AFTER_PADDING:
        positions -= int(parts.config.pad_token_id) + 1
    return min(positions, parts.context or positions, MOST_TOKENS)


def _linear(weights: Mapping[str, torch.Tensor]) -> torch.nn.Linear | None:
    """Return a linear map with the given weight [out, in] and bias [out]; None without them."""
    if not weights:
        return None
    outputs, inputs = weights["weight"].shape
    linear = torch.nn.Linear(inputs, outputs, bias="bias" in weights)
    linear.load_state_dict(dict(weights))
    return linear.eval()
