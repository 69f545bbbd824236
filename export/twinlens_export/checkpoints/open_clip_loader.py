"""Checkpoints that OpenCLIP saved: a folder, or an id on the Hub."""

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from twinlens_export.architecture import F32
from twinlens_export.checkpoints.hub_files import (
    OPEN_CLIP_CONFIG,
    TOKENIZER,
    json_of,
    path_of,
    read_part,
    text_of,
)
from twinlens_export.checkpoints.loaded import Origin
from twinlens_export.checkpoints.open_clip_config import read_open_clip_config
from twinlens_export.checkpoints.open_clip_tokenizer import read_open_clip_words
from twinlens_export.checkpoints.state_dict import Shape
from twinlens_export.errors import CheckpointError

WEIGHTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""In the order in which open_clip looks for them; the last is read as weights only."""
TOKENIZER_FILES: Final = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json")
CURE: Final = f"give a whole folder, with {OPEN_CLIP_CONFIG} and {WEIGHTS[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipModel:
    """A model of open_clip."""

    model: Any

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `Model`."""
        features: torch.Tensor = self.model.encode_image(pixels)
        return features

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `Model`."""
        features: torch.Tensor = self.model.encode_text(ids)
        return features


def read_open_clip_source(checkpoint: str) -> Origin:
    """Read a checkpoint of OpenCLIP's own two transformers, or of SigLIP in OpenCLIP.

    Raises:
        CheckpointError: it cannot be read or fetched, or has a tower that is not supported, or
            open_clip is not there to verify against.
    """
    config = read_open_clip_config(json_of(checkpoint, OPEN_CLIP_CONFIG) or {})
    names = config.family.text
    library, place = _library(), f"local-dir:{_folder(checkpoint)}"
    model = read_part(
        checkpoint, "weights", CURE, lambda: library.create_model(place, weights_only=True).eval()
    )
    theirs = read_part(checkpoint, "tokenizer", CURE, lambda: library.get_tokenizer(place))
    weights = _weights(model)
    words = read_open_clip_words(
        theirs,
        context=len(weights[names.positions]),
        trim=names.sight != "all",
        options=config.tokenizer,
    )
    return Origin(
        family=config.family,
        model=OpenClipModel(model=model),
        weights=weights,
        image=config.image or _trunk_shape(model.visual.trunk),
        text=config.text,
        end_id=config.end_id,
        preprocessing=config.preprocessing,
        words=words,
        native_scale=math.exp(model.logit_scale.item()),
        native_bias=None if model.logit_bias is None else model.logit_bias.item(),
        files={
            OPEN_CLIP_CONFIG: text_of(checkpoint, OPEN_CLIP_CONFIG) or "",
            TOKENIZER: words.tokenizer,
        },
    )


def _library() -> Any:  # noqa: ANN401  it ships no types
    try:
        return importlib.import_module("open_clip")
    except (ImportError, RuntimeError) as error:  # torchvision's, where it does not fit torch
        raise CheckpointError(
            "an OpenCLIP checkpoint is verified against open_clip, which cannot be imported "
            f"({error}); pip install open_clip_torch"
        ) from error


def _folder(checkpoint: str) -> Path:
    """Where the files lie, fetched if need be.

    Raises:
        CheckpointError: there are no weights.
    """
    found = next((path for name in WEIGHTS if (path := path_of(checkpoint, name))), None)
    if found is None:
        raise CheckpointError(f"{checkpoint} has none of {', '.join(WEIGHTS)}; {CURE}")
    for name in TOKENIZER_FILES:
        path_of(checkpoint, name)
    return found.parent


def _trunk_shape(trunk: Any) -> Shape:  # noqa: ANN401
    """The shape of timm's image tower, which its name stands for."""
    block = trunk.blocks[0]
    # In timm the tanh form is a class of its own, or an option of torch's.
    tanh = "tanh" in f"{type(block.mlp.act).__name__} {block.mlp.act}".lower()
    return Shape(
        layers=len(trunk.blocks),
        heads=block.attn.num_heads,
        activation="gelu_tanh" if tanh else "gelu",
        epsilon=trunk.norm.eps,
    )


def _weights(model: Any) -> dict[str, F32]:  # noqa: ANN401
    """The state dict; newer models keep their text tower under `text.`, older ones at the top."""
    state = model.state_dict().items()
    return {name.removeprefix("text."): tensor.numpy(force=True) for name, tensor in state}
