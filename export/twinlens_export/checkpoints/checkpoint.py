"""A checkpoint: a trained model with its towers taken apart, read from a folder or the Hub."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens.errors import quoted
from twinlens_export.architecture import (
    F32,
    AnyImageTower,
    AnyTextTower,
    TextTower,
    TracedImageTower,
    TracedTextTower,
)
from twinlens_export.checkpoints.diagnosis import hub_id_of, require_checkpoint
from twinlens_export.checkpoints.families.family import Family
from twinlens_export.checkpoints.hub_files import (
    CONFIG,
    OPEN_CLIP_CONFIG,
    read_part,
)
from twinlens_export.checkpoints.kinds.recognition import load_checkpoint
from twinlens_export.checkpoints.licence import licence_of
from twinlens_export.checkpoints.loaded import (
    LoadedCheckpoint,
    ReferenceModel,
    ReferencePreparation,
)
from twinlens_export.checkpoints.state_dict import StateDict, split_fused
from twinlens_export.checkpoints.tokenizer import LoadedTokenizer
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.mapped_arrays import on_disk
from twinlens_export.presence import there

OPEN_CLIP_HUB: Final = "hf-hub:"
"""Prefix that open_clip gives to an id of the Hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained model, its towers taken apart, and the preparation of their inputs.

    Of a tower saved alone, the fields of the other half are None.
    """

    name: str
    family: Family
    sha256: str
    """Of all weights and their names, independent of the files they came in."""
    model: ReferenceModel | None
    """None from the moment on when its embeddings of the samples are known: it takes memory."""
    preparation: ReferencePreparation
    tokenizer: LoadedTokenizer | None
    image: AnyImageTower | None
    text: AnyTextTower | None
    image_spec: ImageSpec | None
    text_spec: TextSpec | None
    native_scale: float | None
    """exp of the learned logit scale, if it has one."""
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
            self,
            model=None,
            image=None if self.image is None else on_disk(self.image, folder),
            text=None if self.text is None else on_disk(self.text, folder),
        )

    @property
    def width(self) -> int:
        """Width D of an embedding."""
        return (self.text_tower if self.image is None else self.image).output_width

    @property
    def image_tower(self) -> AnyImageTower:
        """Image tower that is known to be there."""
        assert self.image is not None, "the checkpoint has no image tower"
        return self.image

    @property
    def text_tower(self) -> AnyTextTower:
        """Text tower that is known to be there."""
        assert self.text is not None, "the checkpoint has no text tower"
        return self.text


def read_checkpoint(checkpoint: str) -> Checkpoint:
    """Read a local folder, a Hub id or a file of weights.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported family.
    """
    given = checkpoint.removeprefix(OPEN_CLIP_HUB)
    require_checkpoint(given)
    return read_part(
        given,
        "configuration of the model",
        "give a whole checkpoint, unchanged since it was saved",
        lambda: _read(given),
    )


def _read(checkpoint: str) -> Checkpoint:
    loaded = load_checkpoint(checkpoint)
    _require_finite(loaded.weights)
    _require_floats(loaded.weights)
    family, preprocessing = loaded.family, loaded.preprocessing
    state = StateDict(family=family, weights=split_fused(loaded.weights, family))
    return Checkpoint(
        name=_name(checkpoint),
        family=family,
        sha256=_sha256(loaded.weights),
        model=loaded.model,
        preparation=loaded.preparation,
        tokenizer=loaded.tokenizer,
        image=_image_tower(loaded, state),
        text=_text_tower(loaded, state),
        image_spec=None if preprocessing is None else preprocessing.image,
        text_spec=None if loaded.tokenizer is None else loaded.tokenizer.spec,
        native_scale=loaded.native_scale,
        native_bias=loaded.native_bias,
        files=loaded.files,
        licence=licence_of(checkpoint),
    )


def _image_tower(loaded: LoadedCheckpoint, state: StateDict) -> AnyImageTower | None:
    if loaded.image is None or isinstance(loaded.image, TracedImageTower):
        return loaded.image
    preprocessing = there(loaded.preprocessing)
    return state.image_tower(
        loaded.image,
        side_px=preprocessing.image.side_px,
        normalization=preprocessing.normalization,
        pooling=loaded.image_pooling,
    )


def _text_tower(loaded: LoadedCheckpoint, state: StateDict) -> AnyTextTower | None:
    if loaded.text is None or isinstance(loaded.text, TracedTextTower):
        return loaded.text
    spec = there(loaded.tokenizer).spec
    text = state.text_tower(
        loaded.text,
        pad_id=spec.pad_id,
        end_id=loaded.end_id,
        padded_by_end=spec.pad_id == spec.end_id,
    )
    if text.pooling == "eos":
        _require_end(text, spec.end_id)
    return text


def _require_finite(weights: Mapping[str, F32]) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"the checkpoint has NaN or infinity among its weights {quoted(name)}; give one "
                "saved before its training diverged"
            )


def _require_floats(weights: Mapping[str, F32]) -> None:
    """Refuse codes of a quantisation, which a library has read as if they were numbers.

    Of weights by their names alone: masks, which some models store, are integers too.
    """
    for name, array in weights.items():
        if array.ndim < 2 or array.dtype.kind != "f" or not name.endswith("weight"):
            continue
        row = array[:1]
        if row.size and np.abs(row).max() > 1 and (row == np.rint(row)).all():
            raise CheckpointError(
                f"the checkpoint has integers in place of its weights {quoted(name)}: they are "
                "quantised; give the checkpoint in floats that they were made of"
            )


def _sha256(weights: Mapping[str, F32]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _name(checkpoint: str) -> str:
    """Return the Hub id, or the name of the folder or file: its path may be private."""
    folder = Path(checkpoint)
    if folder.is_file():
        return folder.stem
    return hub_id_of(folder) or folder.resolve().name if folder.is_dir() else checkpoint


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
