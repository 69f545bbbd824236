"""A checkpoint: a trained model with its towers taken apart, read from a folder or the Hub."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens.errors import quoted
from twinlens_export.architecture import F32, ImageTower, TextTower
from twinlens_export.checkpoints.diagnosis import require_checkpoint
from twinlens_export.checkpoints.families import FAMILIES, Family
from twinlens_export.checkpoints.hub_files import (
    CONFIG,
    OPEN_CLIP_CONFIG,
    json_of,
    path_of,
    read_part,
)
from twinlens_export.checkpoints.licence import licence_of
from twinlens_export.checkpoints.loaded import (
    LoadedCheckpoint,
    ReferenceModel,
    ReferencePreparation,
)
from twinlens_export.checkpoints.open_clip_loader import load_open_clip
from twinlens_export.checkpoints.state_dict import StateDict, split_fused
from twinlens_export.checkpoints.tokenizer import LoadedTokenizer
from twinlens_export.checkpoints.transformers_loader import load_transformers
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.mapped_arrays import on_disk

TRANSFORMERS_WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained model, its two towers taken apart, and the preparation of their inputs."""

    name: str
    family: Family
    sha256: str
    """Of all weights and their names, independent of the files they came in."""
    model: ReferenceModel | None
    """None from the moment on when its embeddings of the samples are known: it takes memory."""
    preparation: ReferencePreparation
    tokenizer: LoadedTokenizer
    image: ImageTower
    text: TextTower
    image_spec: ImageSpec
    text_spec: TextSpec
    native_scale: float
    """exp of the learned logit scale."""
    native_bias: float | None
    """The learned logit bias, if it was trained with one."""
    files: Mapping[str, str]
    """Contents of the text files that the Hub's tools expect beside the weights, by name."""
    licence: str | None = None
    """As its model card names it."""

    def without_model(self, folder: Path) -> "Checkpoint":
        """Return the same without the reference model, with the weights in a file in a folder.

        Raises:
            OSError: there is no room for them.
        """
        return replace(
            self, model=None, image=on_disk(self.image, folder), text=on_disk(self.text, folder)
        )


def read_checkpoint(checkpoint: str) -> Checkpoint:
    """Read a local folder or a Hub id, of transformers or of OpenCLIP.

    A folder of both is read as one of transformers, unless it lacks transformers' weights or its
    model is custom code.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported family.
    """
    require_checkpoint(checkpoint)
    return read_part(
        checkpoint,
        "configuration of the model",
        "give a whole checkpoint, unchanged since it was saved",
        lambda: _read(checkpoint),
    )


def _read(checkpoint: str) -> Checkpoint:
    loaded = _load(checkpoint)
    _require_finite(loaded.weights)
    family, preprocessing = loaded.family, loaded.preprocessing
    state = StateDict(family=family, weights=split_fused(loaded.weights, family))
    spec = loaded.tokenizer.spec
    image = state.image_tower(
        loaded.image,
        side_px=preprocessing.image.side_px,
        normalization=preprocessing.normalization,
    )
    text = state.text_tower(loaded.text, pad_id=spec.pad_id, end_id=loaded.end_id)
    if text.pooling == "eos":
        _require_end(text, spec.end_id)
    return Checkpoint(
        name=_name(checkpoint),
        family=family,
        sha256=_sha256(loaded.weights),
        model=loaded.model,
        preparation=loaded.preparation,
        tokenizer=loaded.tokenizer,
        image=image,
        text=text,
        image_spec=preprocessing.image,
        text_spec=spec,
        native_scale=loaded.native_scale,
        native_bias=loaded.native_bias,
        files=loaded.files,
        licence=licence_of(checkpoint),
    )


def _require_finite(weights: Mapping[str, F32]) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"the checkpoint has NaN or infinity among its weights {quoted(name)}; give one "
                "saved before its training diverged"
            )


def _load(checkpoint: str) -> LoadedCheckpoint:
    config = json_of(checkpoint, CONFIG) or {}
    is_other = config.get("model_type") not in FAMILIES or "auto_map" in config
    if json_of(checkpoint, OPEN_CLIP_CONFIG) and (is_other or not _has_weights(checkpoint)):
        return load_open_clip(checkpoint)
    return load_transformers(checkpoint)


def _has_weights(checkpoint: str) -> bool:
    """Return True if a checkpoint has weights of transformers."""
    return any(path_of(checkpoint, name) for name in TRANSFORMERS_WEIGHTS)


def _sha256(weights: Mapping[str, F32]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _name(checkpoint: str) -> str:
    """Return the Hub id, or the folder's own name: its path may be private."""
    folder = Path(checkpoint)
    return folder.resolve().name if folder.is_dir() else checkpoint


def _require_end(tower: TextTower, end_id: int | None) -> None:
    """Refuse a tower pooled at its end token if configuration and tokenizer disagree on it."""
    if end_id is None:
        raise CheckpointError(
            "the tokenizer ends a text with no end token; name it in tokenizer_config.json"
        )
    if tower.end_id not in (None, end_id):
        raise CheckpointError(
            f"the configuration ends a text with id {tower.end_id}, the tokenizer with {end_id}; "
            f"correct eos_token_id of text_config in {CONFIG}, or eos_id in {OPEN_CLIP_CONFIG}"
        )
