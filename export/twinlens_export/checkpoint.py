"""A checkpoint: all that an export needs to know of a trained model."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from transformers.utils import cached_file

from twinlens.bundle import ImageSpec, TextSpec
from twinlens_export.anatomy import F32, ImageTower, TextTower
from twinlens_export.errors import CheckpointError
from twinlens_export.families import Family, Parts, family_of
from twinlens_export.preprocessing import read_processor
from twinlens_export.words import read_words

T = TypeVar("T")

CONFIG: Final = "config.json"
PREPROCESSOR: Final = "preprocessor_config.json"
TOKENIZER: Final = "tokenizer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained model, its two towers taken apart, and what prepares their inputs."""

    name: str
    family: Family
    sha256: str
    """Of all weights and their names, whatever files they came in."""
    model: Any
    """The original in torch, in float32: what the towers are verified against."""
    image: ImageTower
    text: TextTower
    image_spec: ImageSpec
    text_spec: TextSpec
    native_scale: float
    """exp of the learned logit scale."""
    files: Mapping[str, str]
    """Texts of the files that the Hub's tools expect beside the weights, by name."""


def read_checkpoint(checkpoint: str) -> Checkpoint:
    """Read a local folder or a Hub id.

    The Hub is asked by huggingface_hub, so HF_HUB_OFFLINE and its kin are respected.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported family.
    """
    config = _load(checkpoint, "configuration", transformers.AutoConfig.from_pretrained)
    family = family_of(config.model_type)
    processor = _load(
        checkpoint, "image processor", transformers.AutoImageProcessor.from_pretrained
    )
    tokenizer = _load(checkpoint, "tokenizer", transformers.AutoTokenizer.from_pretrained)
    seen = read_processor(processor.to_dict(), side_px=int(config.vision_config.image_size))
    model = _model(checkpoint, family)
    weights = _weights(model)
    parts = Parts(family=family, weights=weights)
    image = parts.image_tower(config.vision_config, side_px=seen.image.side_px, pixels=seen.pixels)
    text = parts.text_tower(config.text_config)
    words = read_words(tokenizer, context=text.context, trim=True)
    _require_end(text, words.spec.end_id)
    return Checkpoint(
        name=_name(checkpoint),
        family=family,
        sha256=_sha256(weights),
        model=model,
        image=image,
        text=text,
        image_spec=seen.image,
        text_spec=words.spec,
        native_scale=math.exp(model.logit_scale.item()),
        files={
            CONFIG: _file(checkpoint, CONFIG) or config.to_json_string(),
            PREPROCESSOR: _file(checkpoint, PREPROCESSOR) or processor.to_json_string(),
            TOKENIZER: _file(checkpoint, TOKENIZER) or words.tokenizer,
        },
    )


def _load(checkpoint: str, part: str, load: Callable[..., T], **options: object) -> T:
    """One part of the checkpoint, through one of transformers' loaders."""
    try:
        return load(checkpoint, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(checkpoint).is_dir():
            cure = (
                "save the model, its tokenizer and its image processor there with save_pretrained"
            )
        else:
            cure = (
                "check the name and the connection (HF_HUB_OFFLINE allows only what was fetched "
                "before), or give a local folder"
            )
        raise CheckpointError(f"{checkpoint} has no readable {part} ({reason}); {cure}") from error


def _model(checkpoint: str, family: Family) -> Any:  # noqa: ANN401
    """The original, in float32 and ready to run.

    Its attention is the plain one, which is the definition; the others are only faster.
    """
    model, report = _load(
        checkpoint,
        "weights",
        getattr(transformers, family.model).from_pretrained,
        dtype=torch.float32,
        attn_implementation="eager",
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


def _weights(model: Any) -> dict[str, F32]:  # noqa: ANN401
    return {name: tensor.numpy(force=True) for name, tensor in model.state_dict().items()}


def _sha256(weights: Mapping[str, F32]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _name(checkpoint: str) -> str:
    """The Hub id, or the folder's own name: where it lay concerns nobody."""
    folder = Path(checkpoint)
    return folder.resolve().name if folder.is_dir() else checkpoint


def _file(checkpoint: str, name: str) -> str | None:
    """The text of one of the checkpoint's files, exactly as it is there."""
    path = cached_file(
        checkpoint,
        name,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if path is None else Path(path).read_text(encoding="utf-8")


def _require_end(tower: TextTower, end_id: int | None) -> None:
    """CLIP's tower looks for the end token: its configuration and the tokenizer must agree."""
    if end_id is None:
        raise CheckpointError(
            "the tokenizer ends a text with no end token; name it in tokenizer_config.json"
        )
    if tower.end_id not in (None, end_id):
        raise CheckpointError(
            f"the configuration ends a text with id {tower.end_id}, the tokenizer with {end_id}; "
            f"correct eos_token_id of text_config in {CONFIG}"
        )
