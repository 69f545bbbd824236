"""Dual encoders of transformers that are no CLIP by their towers: each tower is traced."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from twinlens.bundle.specs import TextSpec
from twinlens_export.checkpoints.attention_mask import (
    causal_mask,
    padding_mask,
    require_known_padding,
)
from twinlens_export.checkpoints.diagnosis import require_plain
from twinlens_export.checkpoints.families.family import Family
from twinlens_export.checkpoints.hub_files import CONFIG, TOKENIZER, json_of
from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.kinds.text_encoder import AFTER_PADDING
from twinlens_export.checkpoints.loaded import LoadedCheckpoint, scale_of
from twinlens_export.checkpoints.preprocessing import square_side
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.tracing import (
    as_module,
    traced_image_tower,
    traced_text_tower,
)
from twinlens_export.checkpoints.transformers_loader import (
    TransformersPreparation,
    features_of,
    image_files,
    state_of,
)
from twinlens_export.checkpoints.weights.adapter import Adapter
from twinlens_export.checkpoints.weights.pretrained import load_model, load_part, load_tokenizer

Features = Callable[..., torch.Tensor]


def _image_features(model: Any, pixels: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    return features_of(model.get_image_features(pixel_values=pixels))


def _text_features(model: Any, ids: torch.Tensor, **mask: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    return features_of(model.get_text_features(input_ids=ids, **mask))


def _blip_image(model: Any, pixels: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    tokens = model.vision_model(pixel_values=pixels).last_hidden_state
    features: torch.Tensor = model.vision_proj(tokens[:, 0])
    return features


def _blip_text(model: Any, ids: torch.Tensor, **mask: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    tokens = model.text_encoder(input_ids=ids, **mask).last_hidden_state
    features: torch.Tensor = model.text_proj(tokens[:, 0])
    return features


def _causal_text(model: Any, ids: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Embed texts as AIMv2 was trained: a token sees itself and those before it.

    Without a mask transformers' AIMv2 lets every token see all, padding included; with a mask of
    ones and torch's own attention too. A mask of four dimensions it adds to the scores as it is.
    """
    return _text_features(model, ids, attention_mask=causal_mask(ids))


def _clamped_scale(model: Any) -> float:  # noqa: ANN401
    """Return AIMv2's scale of cosines, which its own code keeps from 1 to a number of its own."""
    return min(max(scale_of(model), 1.0), float(model.config.max_logit_scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedKind:
    """A kind of dual encoder."""

    model: str
    """Name of its class."""
    masked: bool = False
    """True if its text tower is told which tokens are padding."""
    image: Features = _image_features
    text: Features = _text_features
    encoder: str = "text_model"
    """Name of the text tower inside the model."""
    scale: Callable[[Any], float] = scale_of
    """Returns the number by which the model multiplies its cosines."""


TRACED_KINDS: Final[Mapping[str, TracedKind]] = {
    "aimv2": TracedKind(model="Aimv2Model", text=_causal_text, scale=_clamped_scale),
    "blip": TracedKind(
        model="BlipForImageTextRetrieval",
        masked=True,
        image=_blip_image,
        text=_blip_text,
        encoder="text_encoder",
    ),
    "groupvit": TracedKind(model="GroupViTModel"),
    "vision-text-dual-encoder": TracedKind(model="VisionTextDualEncoderModel", masked=True),
}
"""Kinds by the `model_type` of config.json. Of BLIP it is the contrastive half of a checkpoint for
retrieval (`itm`), without its cross-encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedModel:
    """A dual encoder of transformers; see `ReferenceModel`."""

    kind: TracedKind
    model: Any
    spec: TextSpec

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        return self.kind.image(self.model, pixels)

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        mask = {"attention_mask": padding_mask(ids, self.spec)} if self.kind.masked else {}
        return self.kind.text(self.model, ids, **mask)


def load_traced_model(checkpoint: str, *, adapter: Adapter | None = None) -> LoadedCheckpoint:
    """Load a dual encoder of one of TRACED_KINDS.

    Raises:
        CheckpointError: it cannot be read or fetched, or torch cannot trace it.
    """
    require_plain(checkpoint, json_of(checkpoint, CONFIG) or {})
    config = load_part(checkpoint, "configuration", "AutoConfig")
    kind = TRACED_KINDS[config.model_type]
    processor = load_part(checkpoint, "image processor", "AutoImageProcessor")
    theirs = load_tokenizer(checkpoint, adapter)
    side_px = square_side(config.vision_config.image_size)
    preprocessing = read_processor(processor.to_dict(), side_px=side_px)
    tokenizer = read_tokenizer(theirs, context=_context(config.text_config), trim=True)
    if kind.masked:
        require_known_padding(theirs, tokenizer.spec)
    loaded, missing = load_model(checkpoint, kind.model, adapter=adapter)
    model = TracedModel(kind=kind, model=loaded, spec=tokenizer.spec)
    words = _words(getattr(loaded, kind.encoder))
    has_scale = hasattr(loaded, "logit_scale") and not missing
    return LoadedCheckpoint(
        family=Family(name=config.model_type, model=kind.model),
        model=model,
        preparation=TransformersPreparation(tokenizer=theirs, processor=processor),
        weights=state_of(loaded),
        image=traced_image_tower(
            as_module(model.image_features, loaded),
            side_px=side_px,
            normalization=preprocessing.normalization,
        ),
        text=traced_text_tower(
            as_module(model.text_features, loaded),
            context=tokenizer.spec.context,
            vocabulary=words.num_embeddings,
            trim=True,
        ),
        preprocessing=preprocessing,
        tokenizer=tokenizer,
        native_scale=kind.scale(loaded) if has_scale else None,
        files={
            **image_files(checkpoint, config, processor, preprocessing),
            TOKENIZER: tokenizer.json,
        },
    )


def _context(config: Any) -> int:  # noqa: ANN401
    """Return the most tokens of a text."""
    positions = int(config.max_position_embeddings)
    if config.model_type in AFTER_PADDING:
        return positions - int(config.pad_token_id) - 1
    return positions


def _words(encoder: Any) -> torch.nn.Embedding:  # noqa: ANN401
    """Return the token embedding of a text encoder: its largest, where transformers names none."""
    try:
        named: torch.nn.Embedding = encoder.get_input_embeddings()
    except (NotImplementedError, AttributeError):  # the latter for GroupViT by transformers 4.57
        tables = [module for module in encoder.modules() if isinstance(module, torch.nn.Embedding)]
        return max(tables, key=lambda table: table.num_embeddings)
    return named
