"""The loader of checkpoints saved by transformers: a folder, or an id on the Hub."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from twinlens.bundle.specs import TextSpec
from twinlens.errors import quoted
from twinlens_export.architecture import F32, Activation
from twinlens_export.checkpoints.attention_mask import (
    padding_mask,
    require_known_padding,
    warn_of_mask,
)
from twinlens_export.checkpoints.diagnosis import require_plain
from twinlens_export.checkpoints.families.transformers import FAMILIES
from twinlens_export.checkpoints.hub_files import (
    CONFIG,
    PREPROCESSOR,
    TOKENIZER,
    json_of,
    text_of,
)
from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.loaded import LoadedCheckpoint, scale_of
from twinlens_export.checkpoints.preprocessing import Preprocessing, square_side
from twinlens_export.checkpoints.state_dict import EncoderConfig
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.weights.adapter import Adapter
from twinlens_export.checkpoints.weights.pretrained import load_model, load_part, load_tokenizer
from twinlens_export.errors import CheckpointError

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
DISTILBERT_EPSILON: Final = 1e-12
ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersModel:
    """A model of transformers; see `ReferenceModel`."""

    model: Any
    masked: TextSpec | None
    """Its texts, if the text tower masks padding."""

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        return features_of(self.model.get_image_features(pixel_values=pixels))

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        mask = {} if self.masked is None else {"attention_mask": padding_mask(ids, self.masked)}
        return features_of(self.model.get_text_features(input_ids=ids, **mask))


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersPreparation:
    """A tokenizer and an image processor of transformers; see `ReferencePreparation`."""

    tokenizer: Any
    processor: Any

    def ids(self, texts: Sequence[str], context: int) -> NDArray[np.int64]:
        """See `ReferencePreparation`."""
        rows = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=context
        )["input_ids"]
        return np.array(rows, dtype=np.int64)

    def pixels(self, image: Image.Image) -> F32:
        """See `ReferencePreparation`."""
        layout = layout_of(self.processor, image)
        (values,) = self.processor(image, return_tensors="pt", **layout)["pixel_values"]
        return np.asarray(values, dtype=np.float32)


def layout_of(processor: Any, image: Image.Image) -> dict[str, str]:  # noqa: ANN401
    """Return the option by which a processor knows the channels of an image.

    transformers 4 takes the side of an image of 1 px for them, unless it is told.
    """
    rgb = image.mode == "RGB" or getattr(processor, "do_convert_rgb", False)
    return {"input_data_format": "channels_last"} if rgb else {}


def load_transformers(checkpoint: str, *, adapter: Adapter | None = None) -> LoadedCheckpoint:
    """Load a checkpoint of any supported family of transformers.

    Args:
        checkpoint: a folder or a Hub id.
        adapter: changes to its weights.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported family.
    """
    require_plain(checkpoint, json_of(checkpoint, CONFIG) or {})
    config = load_part(checkpoint, "configuration", "AutoConfig")
    family = FAMILIES[config.model_type]
    image, text = encoder_config(config.vision_config), encoder_config(config.text_config)
    processor = load_part(checkpoint, "image processor", "AutoImageProcessor")
    theirs = load_tokenizer(checkpoint, adapter)
    preprocessing = read_processor(
        processor.to_dict(), side_px=square_side(config.vision_config.image_size)
    )
    model, missing = load_model(checkpoint, family.model, adapter=adapter)
    if config.model_type == "chinese_clip":
        pool_first(model.text_model)
    state = state_of(model, renamed=family.renamed)
    names = family.text
    tokenizer = read_tokenizer(
        theirs,
        context=len(state[names.position_embedding]) - names.position_offset,
        trim=names.attention_mask != "full",
        lower_case=names.lower_case,
    )
    masked = tokenizer.spec if names.attention_mask == "padding" else None
    if masked is not None:
        require_known_padding(theirs, masked)
    if names.attention_mask == "full":
        warn_of_mask(theirs)
    end_id = config.text_config.eos_token_id
    has_scale = "logit_scale" not in missing
    has_bias = hasattr(model, "logit_bias") and "logit_bias" not in missing
    return LoadedCheckpoint(
        family=family,
        model=TransformersModel(model=model, masked=masked),
        preparation=TransformersPreparation(tokenizer=theirs, processor=processor),
        weights=state,
        image=image,
        text=text,
        end_id=None if end_id == names.legacy_end_id else end_id,
        preprocessing=preprocessing,
        tokenizer=tokenizer,
        native_scale=scale_of(model) if has_scale else None,
        native_bias=model.logit_bias.item() if has_bias and has_scale else None,
        # The tokenizer as loaded, which does not always agree with its file.
        files={
            **image_files(checkpoint, config, processor, preprocessing),
            TOKENIZER: tokenizer.json,
        },
    )


class FirstToken(torch.nn.Module):
    """A pooler that takes the first token [B, D] of the states [B, T, D]."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the first token of each row."""
        return states[:, 0]


def pool_first(encoder: Any) -> None:  # noqa: ANN401
    """Give an encoder without a pooler one that takes the first token.

    transformers 4.57 projects the pooler's output of Chinese-CLIP, which has no pooler; 5 projects
    the first token.
    """
    if encoder.pooler is None:
        encoder.pooler = FirstToken()


def image_files(
    checkpoint: str,
    config: Any,  # noqa: ANN401
    processor: Any,  # noqa: ANN401
    preprocessing: Preprocessing,
) -> dict[str, str]:
    """Return the configurations: the text of their files, or JSON of those that have none.

    A preprocessor_config.json that says something else than the processor as loaded, as a
    processor_config.json beside it may, is left out for that too.
    """
    text = text_of(checkpoint, PREPROCESSOR)
    if text is None or not _says(text, preprocessing):
        text = processor.to_json_string()
    return {**config_file(checkpoint, config), PREPROCESSOR: text}


def _says(text: str, preprocessing: Preprocessing) -> bool:
    """Return True if a preprocessor_config.json is read as this preprocessing."""
    try:
        return read_processor(json.loads(text), side_px=preprocessing.image.side_px) == (
            preprocessing
        )
    except (ValueError, CheckpointError):
        return False


def config_file(checkpoint: str, config: Any) -> dict[str, str]:  # noqa: ANN401
    """Return the configuration of the model: the text of its file, or its JSON."""
    return {CONFIG: text_of(checkpoint, CONFIG) or config.to_json_string()}


def state_of(model: Any, *, renamed: Mapping[str, str] = NOTHING) -> dict[str, F32]:  # noqa: ANN401
    """Return the weights of a model by their names, parts of which may be replaced by others."""
    state: dict[str, F32] = {}
    for given, tensor in model.state_dict().items():
        name = str(given)
        for older, newer in renamed.items():
            name = name.replace(older, newer)
        state[name] = tensor.numpy(force=True)
    return state


def encoder_config(config: Any) -> EncoderConfig:  # noqa: ANN401  of one tower
    """Return the configuration of an encoder, under the names that its library gives it.

    Raises:
        CheckpointError: its activation is not supported.
    """
    # DistilBERT's names are its own, and its epsilon is fixed in its code.
    activation = getattr(config, "hidden_act", None) or config.activation
    if activation not in ACTIVATIONS:
        raise CheckpointError(
            f"the checkpoint's activation is {quoted(repr(activation))}, which is not "
            f"supported; supported are {', '.join(ACTIVATIONS)}"
        )
    return EncoderConfig(
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        activation=ACTIVATIONS[activation],
        epsilon=getattr(config, "layer_norm_eps", DISTILBERT_EPSILON),
    )


def features_of(output: Any) -> torch.Tensor:  # noqa: ANN401
    """Return the projected rows: transformers 5 wraps them into an output object, 4 does not."""
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features
