"""The loader of checkpoints saved by OpenCLIP: a folder, or an id on the Hub."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from twinlens.errors import quoted
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.diagnosis import weights_in
from twinlens_export.checkpoints.hub_files import (
    OPEN_CLIP_CONFIG,
    TOKENIZER,
    json_of,
    path_of,
    read_part,
    text_of,
)
from twinlens_export.checkpoints.loaded import LoadedCheckpoint, scale_of
from twinlens_export.checkpoints.open_clip.config import read_open_clip_config
from twinlens_export.checkpoints.open_clip.folder import offline_folder
from twinlens_export.checkpoints.open_clip.tokenizer import read_open_clip_tokenizer
from twinlens_export.checkpoints.open_clip.towers import OpenClipTowers
from twinlens_export.errors import CheckpointError

WEIGHTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""Files in open_clip's order of preference; the last is read as weights only."""
TOKENIZER_FILES: Final = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json")
CURE: Final = f"give a whole folder, with {OPEN_CLIP_CONFIG} and {WEIGHTS[0]}"
TEXT_CURE: Final = CURE + " (and the config.json of {}, its text tower, if there is no network)"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipModel:
    """A model of open_clip; see `ReferenceModel`."""

    model: Any

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        features: torch.Tensor = self.model.encode_image(pixels)
        return features

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """See `ReferenceModel`."""
        features: torch.Tensor = self.model.encode_text(ids)
        return features


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipPreparation:
    """A tokenizer and a transform of open_clip; see `ReferencePreparation`."""

    tokenizer: Any
    transform: Any

    def ids(self, texts: Sequence[str], context: int) -> NDArray[np.int64]:
        """See `ReferencePreparation`."""
        return np.asarray(self.tokenizer(list(texts), context_length=context), dtype=np.int64)

    def pixels(self, image: Image.Image) -> F32:
        """See `ReferencePreparation`."""
        return np.asarray(self.transform(image), dtype=np.float32)


def load_open_clip(checkpoint: str) -> LoadedCheckpoint:
    """Load a checkpoint of OpenCLIP, with towers of any kind that open_clip builds.

    Raises:
        CheckpointError: it cannot be read or fetched, or has a tower that cannot be traced, or
            open_clip, the reference of the verification, is not installed.
    """
    document = json_of(checkpoint, OPEN_CLIP_CONFIG) or {}
    config = read_open_clip_config(document)
    library = _library()
    cure = CURE if config.text_model is None else TEXT_CURE.format(quoted(config.text_model))
    with offline_folder(_folder(checkpoint), document) as folder:
        place = f"local-dir:{folder}"
        model = read_part(
            checkpoint,
            "weights",
            cure,
            lambda: library.create_model(place, weights_only=True).eval(),
        )
        theirs = read_part(checkpoint, "tokenizer", CURE, lambda: library.get_tokenizer(place))
    transform = read_part(checkpoint, "image transform", CURE, lambda: _transform(library, model))
    towers = OpenClipTowers(model=model, config=config)
    tokenizer = read_open_clip_tokenizer(
        theirs, context=towers.context(theirs), trim=config.trim, options=config.tokenizer
    )
    return LoadedCheckpoint(
        family=config.family,
        model=OpenClipModel(model=model),
        preparation=OpenClipPreparation(tokenizer=theirs, transform=transform),
        weights=towers.weights(),
        image=towers.image(),
        text=towers.text(tokenizer.spec.context),
        image_pooling=config.image_pooling,
        end_id=config.end_id,
        preprocessing=config.preprocessing,
        tokenizer=tokenizer,
        native_scale=scale_of(model),
        native_bias=None if model.logit_bias is None else model.logit_bias.item(),
        files={
            OPEN_CLIP_CONFIG: text_of(checkpoint, OPEN_CLIP_CONFIG) or "",
            TOKENIZER: tokenizer.json,
        },
    )


def _transform(library: Any, model: Any) -> Any:  # noqa: ANN401  untyped
    """Return open_clip's own transform of an image, as in inference."""
    transforms = library.transform
    config = transforms.PreprocessCfg(**model.visual.preprocess_cfg)
    return transforms.image_transform_v2(config, is_train=False)


def _library() -> Any:  # noqa: ANN401  it ships no types
    try:
        return importlib.import_module("open_clip")
    except (ImportError, RuntimeError) as error:  # torchvision's, where it does not fit torch
        raise CheckpointError(
            "an OpenCLIP checkpoint is verified against open_clip, which cannot be imported "
            f"({quoted(str(error))}); pip install open_clip_torch"
        ) from error


def _folder(checkpoint: str) -> Path:
    """Return the folder of the files, fetched if need be.

    Raises:
        CheckpointError: there are no weights.
    """
    found = next((path for name in WEIGHTS if (path := path_of(checkpoint, name))), None)
    if found is None:
        others = weights_in(Path(checkpoint)) if Path(checkpoint).is_dir() else []
        cure = f"give the file of weights in it, {quoted(others[0])}" if others else CURE
        raise CheckpointError(f"{quoted(checkpoint)} has none of {', '.join(WEIGHTS)}; {cure}")
    for name in TOKENIZER_FILES:
        path_of(checkpoint, name)
    return found.parent
