"""A checkpoint: all that an export needs to know of a trained model."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens_export.architecture import F32, ImageTower, TextTower
from twinlens_export.checkpoints.families import FAMILIES, Family
from twinlens_export.checkpoints.hub_files import CONFIG, OPEN_CLIP_CONFIG, json_of
from twinlens_export.checkpoints.loaded import Model, Origin
from twinlens_export.checkpoints.open_clip_loader import read_open_clip_source
from twinlens_export.checkpoints.state_dict import Parts, unfused
from twinlens_export.checkpoints.transformers_loader import read_transformers_source
from twinlens_export.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained model, its two towers taken apart, and what prepares their inputs."""

    name: str
    family: Family
    sha256: str
    """Of all weights and their names, whatever files they came in."""
    model: Model
    image: ImageTower
    text: TextTower
    image_spec: ImageSpec
    text_spec: TextSpec
    native_scale: float
    """exp of the learned logit scale."""
    native_bias: float | None
    """The learned logit bias, where it was trained with one."""
    files: Mapping[str, str]
    """Texts of the files that the Hub's tools expect beside the weights, by name."""


def read_checkpoint(checkpoint: str) -> Checkpoint:
    """Read a local folder or a Hub id, of transformers or of OpenCLIP.

    Where a folder is of both, transformers' files are read.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported family.
    """
    origin = _origin(checkpoint)
    parts = Parts(family=origin.family, weights=unfused(origin.weights, origin.family))
    seen, spec = origin.preprocessing, origin.words.spec
    image = parts.image_tower(origin.image, side_px=seen.image.side_px, pixels=seen.pixels)
    text = parts.text_tower(origin.text, pad_id=spec.pad_id, end_id=origin.end_id)
    if text.place == "end":
        _require_end(text, spec.end_id)
    return Checkpoint(
        name=_name(checkpoint),
        family=origin.family,
        sha256=_sha256(origin.weights),
        model=origin.model,
        image=image,
        text=text,
        image_spec=seen.image,
        text_spec=spec,
        native_scale=origin.native_scale,
        native_bias=origin.native_bias,
        files=origin.files,
    )


def _origin(checkpoint: str) -> Origin:
    config = json_of(checkpoint, CONFIG) or {}
    if config.get("model_type") not in FAMILIES and json_of(checkpoint, OPEN_CLIP_CONFIG):
        return read_open_clip_source(checkpoint)
    return read_transformers_source(checkpoint)


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


def _require_end(tower: TextTower, end_id: int | None) -> None:
    """Such a tower looks for the end token: the configuration and the tokenizer must agree."""
    if end_id is None:
        raise CheckpointError(
            "the tokenizer ends a text with no end token; name it in tokenizer_config.json"
        )
    if tower.end_id not in (None, end_id):
        raise CheckpointError(
            f"the configuration ends a text with id {tower.end_id}, the tokenizer with {end_id}; "
            f"correct eos_token_id of text_config in {CONFIG}, or eos_id in {OPEN_CLIP_CONFIG}"
        )
