"""Checkpoints that transformers saved: a folder, or an id on the Hub."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import torch
import transformers

from twinlens_export.architecture import Activation
from twinlens_export.checkpoints.families import Family, family_of
from twinlens_export.checkpoints.hub_files import (
    CONFIG,
    PREPROCESSOR,
    TOKENIZER,
    read_part,
    text_of,
)
from twinlens_export.checkpoints.loaded import Origin
from twinlens_export.checkpoints.preprocessing import read_processor, square_side
from twinlens_export.checkpoints.state_dict import Shape
from twinlens_export.checkpoints.tokenizer import read_words
from twinlens_export.errors import CheckpointError

T = TypeVar("T")

CURE: Final = "save the model, its tokenizer and its image processor there with save_pretrained"
ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersModel:
    """A model of transformers."""

    model: Any
    unseen_id: int | None
    """The padding, where the text tower does not see it."""

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `Model`."""
        return _features(self.model.get_image_features(pixel_values=pixels))

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `Model`."""
        seen = {} if self.unseen_id is None else {"attention_mask": (ids != self.unseen_id).long()}
        return _features(self.model.get_text_features(input_ids=ids, **seen))


def read_transformers_source(checkpoint: str) -> Origin:
    """Read a checkpoint of any family that transformers has and we know.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported family.
    """
    config = _load(checkpoint, "configuration", transformers.AutoConfig.from_pretrained)
    family = family_of(config.model_type)
    shapes = _shape(config.vision_config), _shape(config.text_config)
    processor = _load(
        checkpoint, "image processor", transformers.AutoImageProcessor.from_pretrained
    )
    tokenizer = _load(checkpoint, "tokenizer", transformers.AutoTokenizer.from_pretrained)
    seen = read_processor(processor.to_dict(), side_px=square_side(config.vision_config.image_size))
    model = _model(checkpoint, family)
    state = {name: tensor.numpy(force=True) for name, tensor in model.state_dict().items()}
    names = family.text
    words = read_words(
        tokenizer,
        context=len(state[names.positions]),
        trim=names.sight != "all",
        lower_case=names.lower_case,
    )
    counted = names.sight == "counted"
    end_id = config.text_config.eos_token_id
    return Origin(
        family=family,
        model=TransformersModel(model=model, unseen_id=words.spec.pad_id if counted else None),
        weights=state,
        image=shapes[0],
        text=shapes[1],
        end_id=None if end_id == names.legacy_end_id else end_id,
        preprocessing=seen,
        words=words,
        native_scale=math.exp(model.logit_scale.item()),
        native_bias=model.logit_bias.item() if hasattr(model, "logit_bias") else None,
        files={
            CONFIG: text_of(checkpoint, CONFIG) or config.to_json_string(),
            PREPROCESSOR: text_of(checkpoint, PREPROCESSOR) or processor.to_json_string(),
            # What transformers made of its file, which is not always what the file says.
            TOKENIZER: words.tokenizer,
        },
    )


def _load(checkpoint: str, part: str, load: Callable[..., T], **options: object) -> T:
    return read_part(checkpoint, part, CURE, lambda: load(checkpoint, **options))


def _model(checkpoint: str, family: Family) -> Any:  # noqa: ANN401
    """The original, in float32 and ready to run.

    Its attention is the plain one, which is the definition; the others are only faster. Of two
    formats, safetensors is taken; a pickle is read by torch's loader that takes weights only.
    """
    model, report = _load(
        checkpoint,
        "weights",
        getattr(transformers, family.model).from_pretrained,
        dtype=torch.float32,
        attn_implementation="eager",
        weights_only=True,
        output_loading_info=True,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers only warns, and fills them with noise.
        raise CheckpointError(
            f"{checkpoint} lacks {len(missing)} weights of a {family.model}, such as {missing[0]}; "
            "give a whole checkpoint"
        )
    return model.eval()


def _shape(config: Any) -> Shape:  # noqa: ANN401  one half of a configuration
    if config.hidden_act not in ACTIVATIONS:
        raise CheckpointError(
            f"the checkpoint's activation is {config.hidden_act!r}, which is not supported; "
            f"supported are {', '.join(ACTIVATIONS)}"
        )
    return Shape(
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        activation=ACTIVATIONS[config.hidden_act],
        epsilon=config.layer_norm_eps,
    )


def _features(answer: Any) -> torch.Tensor:  # noqa: ANN401
    """The projected rows: transformers 5 wraps them into an output object, 4 does not."""
    features: torch.Tensor = getattr(answer, "pooler_output", answer)
    return features
