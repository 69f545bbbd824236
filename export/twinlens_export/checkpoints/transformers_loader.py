"""The loader of checkpoints saved by transformers: a folder, or an id on the Hub."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image

from twinlens.errors import quoted
from twinlens_export.architecture import F32, Activation
from twinlens_export.checkpoints.diagnosis import prefix_of, require_plain
from twinlens_export.checkpoints.families import FAMILIES
from twinlens_export.checkpoints.hub_files import (
    CONFIG,
    PREPROCESSOR,
    TOKENIZER,
    json_of,
    read_part,
    text_of,
)
from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.loaded import LoadedCheckpoint, scale_of
from twinlens_export.checkpoints.preprocessing import square_side
from twinlens_export.checkpoints.state_dict import EncoderConfig
from twinlens_export.checkpoints.tokenizer import read_tokenizer
from twinlens_export.checkpoints.weights.adapter import Adapter
from twinlens_export.errors import CheckpointError

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
DISPENSABLE: Final = frozenset({"logit_scale", "logit_bias"})
"""Weights without which a model embeds all the same."""
DISTILBERT_EPSILON: Final = 1e-12
CURE: Final = "save the model, its tokenizer and its image processor there with save_pretrained"
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
    masked_id: int | None
    """The padding id, if the text tower masks padding."""

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        return features_of(self.model.get_image_features(pixel_values=pixels))

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        mask = {} if self.masked_id is None else {"attention_mask": (ids != self.masked_id).long()}
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
        rgb = image.mode == "RGB" or getattr(self.processor, "do_convert_rgb", False)
        # transformers 4 takes the side of an image of 1 px for its channels, unless it is told.
        layout = {"input_data_format": "channels_last"} if rgb else {}
        (values,) = self.processor(image, return_tensors="pt", **layout)["pixel_values"]
        return np.asarray(values, dtype=np.float32)


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
    state = state_of(model, renamed=family.renamed)
    names = family.text
    tokenizer = read_tokenizer(
        theirs,
        context=len(state[names.position_embedding]) - names.position_offset,
        trim=names.attention_mask != "full",
        lower_case=names.lower_case,
    )
    masked_id = tokenizer.spec.pad_id if names.attention_mask == "padding" else None
    end_id = config.text_config.eos_token_id
    has_scale = "logit_scale" not in missing
    has_bias = hasattr(model, "logit_bias") and "logit_bias" not in missing
    return LoadedCheckpoint(
        family=family,
        model=TransformersModel(model=model, masked_id=masked_id),
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
        files={**image_files(checkpoint, config, processor), TOKENIZER: tokenizer.json},
    )


def image_files(checkpoint: str, config: Any, processor: Any) -> dict[str, str]:  # noqa: ANN401
    """Return the configurations: the text of their files, or JSON of those that have none."""
    return {
        **config_file(checkpoint, config),
        PREPROCESSOR: text_of(checkpoint, PREPROCESSOR) or processor.to_json_string(),
    }


def config_file(checkpoint: str, config: Any) -> dict[str, str]:  # noqa: ANN401
    """Return the configuration of the model: the text of its file, or its JSON."""
    return {CONFIG: text_of(checkpoint, CONFIG) or config.to_json_string()}


def load_part(checkpoint: str, part: str, kind: str, **options: object) -> Any:  # noqa: ANN401
    """Load a part by a class of transformers, whose import fails where torchvision's does.

    Raises:
        CheckpointError: it is not there, or cannot be read.
    """

    def load() -> Any:  # noqa: ANN401
        known = getattr(transformers, kind)
        return known.from_pretrained(checkpoint, trust_remote_code=False, **options)

    return read_part(checkpoint, part, CURE, load)


def load_tokenizer(checkpoint: str, adapter: Adapter | None = None) -> Any:  # noqa: ANN401
    """Load the tokenizer of a checkpoint, or that of an adapter which brings its own.

    Raises:
        CheckpointError: it is not there, or cannot be read.
    """
    place = adapter.folder if adapter is not None and adapter.has_tokenizer else checkpoint
    return load_part(str(place), "tokenizer", "AutoTokenizer")


def state_of(model: Any, *, renamed: Mapping[str, str] = NOTHING) -> dict[str, F32]:  # noqa: ANN401
    """Return the weights of a model by their names, parts of which may be replaced by others."""
    state: dict[str, F32] = {}
    for given, tensor in model.state_dict().items():
        name = str(given)
        for older, newer in renamed.items():
            name = name.replace(older, newer)
        state[name] = tensor.numpy(force=True)
    return state


def load_model(
    checkpoint: str, kind: str, *, adapter: Adapter | None = None, optional: Sequence[str] = ()
) -> tuple[Any, frozenset[str]]:
    """Load the reference model, in float32 and in evaluation mode.

    Its attention is torch's own (sdpa), which computes the definition and keeps no scores: float32
    on a CPU, so the same rows but for the order of sums. Of two formats, safetensors is taken; a
    pickle is read by torch's weights-only loader.

    Args:
        checkpoint: a folder or a Hub id.
        kind: name of the model's class.
        adapter: changes to its weights.
        optional: prefixes of weights that have no part in an embedding.

    Returns:
        The model, and the names of the scalars that the checkpoint lacks, of DISPENSABLE.

    Raises:
        CheckpointError: it cannot be read, or lacks other weights.
    """
    model, report = load_part(
        checkpoint,
        "weights",
        kind,
        dtype=torch.float32,
        weights_only=True,
        output_loading_info=True,
    )
    lacked = {*report["missing_keys"]} - DISPENSABLE
    missing = sorted(name for name in lacked if not name.startswith((*optional,)))
    if missing and (prefix := prefix_of(missing, report["unexpected_keys"])):
        raise CheckpointError(
            f"all weights of {quoted(checkpoint)} are named {quoted(prefix)}..., as torch.compile "
            "(_orig_mod.) and DataParallel (module.) name them; save the model inside with "
            "save_pretrained"
        )
    if missing:
        # transformers only warns, and fills them with noise.
        raise CheckpointError(
            f"{quoted(checkpoint)} lacks {len(missing)} weights of a {kind}, such as "
            f"{missing[0]}; give a whole checkpoint"
        )
    if adapter is not None:
        adapter.merge(model)
    return model.eval(), DISPENSABLE.intersection(report["missing_keys"])


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
